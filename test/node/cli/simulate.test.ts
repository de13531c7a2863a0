import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import type { Backend } from '../../../node/cli/backend.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { runCommand } from '../../helpers/run-command.ts'

type Run = Backend['simulate']

async function run(args: string[], simulate: Run): Promise<{ code: number; out: string; err: string }> {
  return await runCommand(
    args,
    {},
    { env: { HOME: '/nobody', XDG_CACHE_HOME: 'relative' }, cwd: '/somewhere', backend: { simulate } }
  )
}

test('reports are lines on stdout, progress is on stderr, paths are those of the folder one is in', async () => {
  const asked: Parameters<Run>[] = []
  const { code, out, err } = await run(
    ['simulate', 'plan.json', '--out', 'x', '--only', 'a', 'b', '--threads', '2'],
    async (plan, options) => {
      asked.push([plan, options])
      options.onProgress('1 of 2')
      // of a report only that it is printed as it is
      for (const name of ['a', 'b']) options.onReport({ name } as Parameters<typeof options.onReport>[0])
    }
  )
  expect(code).toBe(0)
  expect(out).toBe('{"name":"a"}\n{"name":"b"}\n')
  expect(err).toBe('1 of 2\n')
  expect(asked[0]?.[0]).toBe(resolve('/somewhere/plan.json'))
  expect(asked[0]?.[1]).toMatchObject({
    out: resolve('/somewhere/x'),
    only: ['a', 'b'],
    threads: 2,
    // a relative XDG directory counts as none
    cache: join('/nobody', '.cache', 'coopt', 'features')
  })
})

test('a plan that cannot be used ends with the code for input', async () => {
  const { code, out, err } = await run(['simulate', 'plan.json'], async () => {
    throw new InvalidInputError('plan: base.seed: expected a number')
  })
  expect(code).toBe(4)
  expect(out).toBe('')
  expect(err).toBe('coopt: plan: base.seed: expected a number\n')
})
