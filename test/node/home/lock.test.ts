import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockHome } from '../../../node/home/lock.ts'

const HOLDER = fileURLToPath(new URL('../../helpers/lock-holder.ts', import.meta.url))

let home: string
const children: ChildProcessWithoutNullStreams[] = []

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coopt-lock-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(home, { recursive: true, force: true })
})

/** A child that is ready to lock, and the line that it prints when it is told to. */
async function contender(mode = ''): Promise<{ child: ChildProcessWithoutNullStreams; go: () => Promise<string> }> {
  const child = spawn(process.execPath, [HOLDER, home, mode])
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  return {
    child,
    go: async () => {
      const line = once(lines, 'line')
      child.stdin.write('go\n')
      return String((await line)[0])
    }
  }
}

async function dead(child: ChildProcessWithoutNullStreams): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

test('is given to one process, and the next is told who has it', async () => {
  const lock = await lockHome(home, { what: 'coopt up', now: () => new Date(0) })
  await expect(lockHome(home, { what: 'coopt join' })).rejects.toMatchObject({
    name: 'HomeLockedError',
    message: `${home} is in use by process ${process.pid} (coopt up, since 1970-01-01T00:00:00.000Z); stop it, or use another home (--home)`
  })
  await lock.release()
  await lock.release()
  const again = await lockHome(home, { what: 'coopt join' })
  expect(await readdir(join(home, 'LOCK'))).toHaveLength(1)
  await again.release()
})

test('is refused while a child process has it, and taken over when that was killed', async () => {
  const { child, go } = await contender('keep')
  expect(await go()).toBe('locked')
  await expect(lockHome(home, { what: 'test' })).rejects.toThrow(`in use by process ${child.pid} (test holder`)
  await dead(child)
  const lock = await lockHome(home, { what: 'test' })
  expect(await readdir(join(home, 'LOCK'))).toHaveLength(1)
  await lock.release()
})

test('is held by at most one of six processes that start at once, over the lock of a dead one', async () => {
  const first = await contender('keep')
  expect(await first.go()).toBe('locked')
  const contenders = await Promise.all(Array.from({ length: 6 }, () => contender()))
  await dead(first.child)
  const outcomes = await Promise.all(contenders.map(({ go }) => go()))
  for (const outcome of outcomes) expect(outcome).toMatch(/^(locked|refused HomeLockedError)/)
  const lock = await lockHome(home, { what: 'test' })
  await lock.release()
})

test.each([
  ['a file cut short by a power cut', '{"pid": 1, "ho'],
  ['an empty file', ''],
  [
    'another start time of a living pid',
    JSON.stringify({ pid: process.pid, host: hostname(), start: '1', what: '', since: '' })
  ],
  ['another boot', JSON.stringify({ pid: process.pid, host: hostname(), boot: 'x', what: '', since: '' })]
])('is not held up by %s', async (name, content) => {
  if (name.startsWith('another') && process.platform !== 'linux') return
  await mkdir(join(home, 'LOCK'))
  await writeFile(join(home, 'LOCK', '1-old.json'), content)
  const lock = await lockHome(home, { what: 'test' })
  expect(await readdir(join(home, 'LOCK'))).not.toContain('1-old.json')
  await lock.release()
})

test('trusts a lock of another host, and says what to do if it is stale', async () => {
  await mkdir(join(home, 'LOCK'))
  const other = { pid: 1, host: 'elsewhere.example', what: 'coopt up', since: 'yesterday' }
  await writeFile(join(home, 'LOCK', '1-x.json'), JSON.stringify(other))
  await expect(lockHome(home, { what: 'test' })).rejects.toThrow(
    /on host elsewhere\.example .* remove .*LOCK and start again/
  )
})
