import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonical,
  fullScale,
  jobKey,
  quickScale,
  runName,
  type JobKeyParts
} from '../../../scripts/reproduce/work-list.ts'

const PARTS: JobKeyParts = {
  targets: 'aa',
  weights: undefined,
  method: 'student',
  settings: { seed: 0, epochs: 10, probes: [1, 3] },
  programs: 'bb',
  device: 'cpu'
}

describe('jobKey', () => {
  it('stays what it is: a cache survives a new version of this file', () => {
    expect(jobKey(PARTS)).toBe('0c98a6d8d88f3452a33dd8c09607afa6')
  })

  it('does not depend on the order of fields, and takes a missing field for an undefined one', () => {
    const { targets, method, programs, device } = PARTS
    const other = { device, programs, settings: { probes: [1, 3], epochs: 10, seed: 0 }, method, targets }
    expect(canonical(other)).toBe(canonical(PARTS))
  })

  it.each([
    ['targets', { targets: 'ab' }],
    ['weights', { weights: 'cc' }],
    ['method', { method: 'simclr' as const }],
    ['seed', { settings: { ...PARTS.settings, seed: 1 } }],
    ['order of probes', { settings: { ...PARTS.settings, probes: [3, 1] } }],
    ['programs', { programs: 'bc' }],
    ['device', { device: 'cuda' }]
  ])('is another one for another %s', (_name, change) => {
    expect(jobKey({ ...PARTS, ...change })).not.toBe(jobKey(PARTS))
  })
})

describe('canonical', () => {
  it('is JSON of the same value, whatever the order of its fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), value => {
        const reversed = Object.fromEntries(Object.entries(value).reverse())
        expect(canonical(reversed)).toBe(canonical(value))
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)))
      })
    )
  })
})

describe('runName', () => {
  it('takes defaults for what is left out', () => {
    expect(runName({ swarm: 'a' })).toBe(runName({ swarm: 'a', method: 'student', backbone: 'convnet' }))
  })

  it('tells runs apart by every field', () => {
    const names = [
      { swarm: 'a' },
      { swarm: 'b' },
      { swarm: 'a', round: 1 },
      { swarm: 'a', method: 'byol' as const },
      { swarm: 'a', backbone: 'resnet' as const },
      { swarm: 'a', weighted: 'length' as const },
      { swarm: 'a', epochs: 3 },
      { swarm: 'a', probes: [1] }
    ].map(runName)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('scales', () => {
  it('have as many seeds as asked for, from 0', () => {
    expect(fullScale(3).seeds).toEqual([0, 1, 2])
    expect(quickScale(1).seeds).toEqual([0])
  })

  it('are smaller in every respect when quick', () => {
    const [full, quick] = [fullScale(1), quickScale(1)]
    expect(quick.rows).toBeLessThan(full.rows)
    expect(quick.epochs).toBeLessThan(full.epochs)
  })
})
