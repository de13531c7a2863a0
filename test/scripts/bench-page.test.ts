import { expect, test } from 'vitest'
import { updateBenchmarks } from '../../scripts/bench/bench-page.ts'
import { BENCHMARKS, splitKept, updateKept } from '../../scripts/kept-sections.ts'

const run = (command: string, printed: string) => ({ command, printed, made: '2026-03-01, 2 cores' })

test('a benchmark is kept beside others, in the place of its last run', () => {
  const first = updateBenchmarks(undefined, run('node b.ts', 'b 0.5\n'))
  const both = updateBenchmarks(first, run('node a.ts --x', 'a 0.9\n'))
  const again = updateBenchmarks(both, run('node b.ts', 'b 0.7\n'))
  expect(again).not.toContain('b 0.5')
  expect([...again.matchAll(/^### .*$|^[ab] 0.*$/gm)].map(([line]) => line)).toEqual([
    '### `node a.ts --x`',
    'a 0.9',
    '### `node b.ts`',
    'b 0.7'
  ])
  expect(updateBenchmarks(again, run('node b.ts', 'b 0.7\n'))).toBe(again)
  expect(splitKept(updateKept('# Results\n', BENCHMARKS, again))).toEqual({
    rest: '# Results\n',
    kept: new Map([[BENCHMARKS, again]])
  })
})
