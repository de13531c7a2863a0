import { expect, it } from 'vitest'
import { z } from 'zod'
import { NOT_YET, SCENARIOS } from '../../../scripts/lab/scenarios.ts'

const wanted = ({ name }: { name: string }, figures: unknown[]): string[] => {
  const scenario = SCENARIOS.find(one => one.name === name)
  return (scenario?.judge(figures, 'full') ?? []).map(({ met, wanted: what }) => `${met ? 'met' : 'not met'}: ${what}`)
}

it('a slow member may slow two others down by a tenth', () => {
  const run = (fast: number): unknown => ({ members: [fast - 1, fast, 500].map(seconds => ({ exit: 0, seconds })) })
  expect(wanted({ name: 'slow-member' }, [run(50), run(54)])[0]).toMatch(/^met/)
  expect(wanted({ name: 'slow-member' }, [run(50), run(56)])[0]).toMatch(/^not met/)
})

it('what ends with an error or never is not met, however fast', () => {
  const merge = (exit: number, seconds: number): unknown => ({ completed: true, merge: { exit, seconds } })
  expect(wanted({ name: 'nat-pair' }, [merge(0, 20)]).filter(one => one.startsWith('not'))).toEqual([])
  expect(wanted({ name: 'nat-pair' }, [merge(6, 2)])).toContain(
    'not met: merge --out without the publisher ends with 0'
  )
  expect(wanted({ name: 'split-heal' }, [{ oneCidSeconds: null }])).toEqual([
    'not met: one CID after a split of 210 s within 30 s'
  ])
})

it('figures that are missing are no verdict', () => {
  for (const { judge } of SCENARIOS) expect(() => judge([], 'full')).toThrow(z.ZodError)
})

it('what is known to be out of reach belongs to a scenario', () => {
  const names = SCENARIOS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const one of NOT_YET) expect(names.some(name => one.startsWith(`${name}: `))).toBe(true)
})
