import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createFailpoint, FAILPOINTS } from '../../../node/process/failpoint.ts'

test('does nothing without a specification', async () => {
  const failpoint = createFailpoint(undefined)
  await expect(failpoint('merge')).resolves.toBeUndefined()
})

test('fails at the n-th passage of its own point only, once', async () => {
  const failpoint = createFailpoint('publish:log#3=throw:ENOSPC,merge=throw:EIO')
  for (let i = 0; i < 2; i++) await failpoint('publish:log')
  await failpoint('publish:blocks')
  await expect(failpoint('publish:log')).rejects.toMatchObject({ code: 'ENOSPC' })
  await failpoint('publish:log')
  await expect(failpoint('merge')).rejects.toMatchObject({ code: 'EIO' })
})

test.each(['x=kill', 'merge', 'merge=stop', 'merge#0=kill', 'merge#-1=kill', 'merge=throw:', 'merge=kill;', ','])(
  'refuses %j and names the points there are',
  specification => {
    expect(() => createFailpoint(specification)).toThrow(Object.keys(FAILPOINTS).join(', '))
    expect(() => createFailpoint(specification)).toThrow(expect.objectContaining({ name: 'InvalidInputError' }))
  }
)

test.each([
  ['kill', null, 'SIGKILL'],
  ['exit', 70, null]
])('=%s ends the process there and then', async (action, code, signal) => {
  const module = fileURLToPath(new URL('../../../node/process/failpoint.ts', import.meta.url))
  const script = `import { failpoint } from ${JSON.stringify(module)}
    for (let i = 1; i <= 5; i++) { process.stdout.write(String(i)); await failpoint('merge') }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, COOPT_FAILPOINT: `merge#3=${action}` }
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  expect(await once(child, 'close')).toEqual([code, signal])
  expect(output).toBe('123')
})
