import { describe, expect, it } from 'vitest'
import { createProgress } from '../../../node/cli/progress.ts'
import { coverageText } from '../../../node/cli/swarm-text.ts'
import { fieldLines, textTable } from '../../../node/cli/text-table.ts'
import { byteText } from '../../../node/process/quantities.ts'
import { batch } from '../../helpers/fake-api.ts'

describe('progress without a terminal', () => {
  it('says where it is every ten seconds, not on every batch', () => {
    let now = 0
    const lines: string[] = []
    const progress = createProgress({ terminal: false, write: text => void lines.push(text), now: () => now })
    for (let done = 1; done <= 100; done++) {
      progress.event(batch(done))
      now += 300
    }
    expect(lines).toEqual(['partition 1: 35 of 100\n', 'partition 1: 69 of 100\n'])
  })

  it('starts anew when the same partition is done again', () => {
    let now = 0
    const lines: string[] = []
    const progress = createProgress({ terminal: false, write: text => void lines.push(text), now: () => now })
    progress.event(batch(1))
    progress.event(batch(100))
    now = 60_000
    progress.event(batch(1))
    expect(lines).toEqual([])
  })
})

describe('text tables', () => {
  it('aligns numbers to the right and marks what is unknown', () => {
    expect(
      textTable(
        ['name', 'n'],
        [
          ['a', 5],
          ['bcdef', 12],
          ['c', undefined]
        ]
      )
    ).toBe(['name    n', '-----  --', 'a       5', 'bcdef  12', 'c       -'].join('\n'))
  })

  it('lets no control character of a foreign name reach the terminal', () => {
    const text = textTable(['name'], [['\u001b[2Jevil\n\u202Etxt']])
    expect(text).toContain('?[2Jevil??txt')
  })

  it('leaves unknown fields out', () => {
    expect(
      fieldLines([
        ['a', 1],
        ['b', undefined],
        ['long', 'x']
      ])
    ).toBe('a     1\nlong  x')
  })

  it('names bytes in powers of a thousand', () => {
    expect([0, 999, 1000, 1_234_567, 999_999, 5e13].map(byteText)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.2 MB',
      '1.0 MB',
      '50.0 TB'
    ])
  })

  it('never rounds coverage up to complete', () => {
    expect([0, 0.5, 0.99999, 1].map(coverageText)).toEqual(['0.0 %', '50.0 %', '99.9 %', '100.0 %'])
  })
})
