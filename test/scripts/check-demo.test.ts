import { describe, expect, it } from 'vitest'
import { checkDemo } from '../../scripts/check-demo.ts'
import { rawCid } from '../../src/codec.ts'

const cid = (n: number): string => rawCid(new Uint8Array([n])).toString()
const peer = (n: number, uniformValue: number) => ({
  peer: `12D3KooW${'x'.repeat(40)}${n}`,
  prior: `prior-${n}`,
  uniformValue,
  eligible: true,
  looR2: 0.9,
  looCosine: 0.95,
  partitions: 4,
  mergedCid: cid(2)
})
const peers = [peer(1, -1), peer(2, -2), peer(3, -3), peer(4, -1.5)]
const good = {
  manifest: cid(1),
  reference: { peer: peers[2]?.peer, prior: 'prior-3', uniformValue: -3 },
  mergedCid: cid(2),
  rows: 2400,
  seconds: 30.5,
  peers
}

describe('check-demo', () => {
  it('accepts the report of a demo that worked, after other lines', () => {
    expect(checkDemo(`\n> coopt@0.1.0 demo\n\n${JSON.stringify(good)}\n`).rows).toBe(2400)
  })

  it('refuses every way in which the demo can have failed', () => {
    const [first, ...others] = peers
    const wrong: [string, RegExp, object][] = [
      ['another CID', /different CIDs/, { ...good, peers: [{ ...first, mergedCid: cid(3) }, ...others] }],
      ['three peers', /Too small/, { ...good, peers: others }],
      ['a peer twice', /listed twice/, { ...good, peers: [...others, { ...others[0], partitions: 4 }] }],
      ['a partition missing', /15 partitions/, { ...good, peers: [{ ...first, partitions: 3 }, ...others] }],
      ['no reference', /reference/, { ...good, reference: null }],
      [
        'a reference that is not the best',
        /lowest uniform value/,
        { ...good, reference: { peer: others[0]?.peer, prior: 'prior-2', uniformValue: -2 } }
      ],
      [
        'an ineligible reference',
        /not an eligible/,
        { ...good, peers: peers.map((p, i) => (i === 2 ? { ...p, eligible: false } : p)) }
      ],
      ['few rows', /rows/, { ...good, rows: 1999 }],
      ['not a number', /seconds/, { ...good, seconds: null }]
    ]
    for (const [name, reason, report] of wrong) expect(() => checkDemo(JSON.stringify(report)), name).toThrow(reason)
    expect(() => checkDemo('')).toThrow('JSON')
  })
})
