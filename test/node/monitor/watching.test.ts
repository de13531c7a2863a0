import { describe, expect, it } from 'vitest'
import type { ApiEvent } from '../../../node/api/events.ts'
import { createActivity } from '../../../node/monitor/activity.ts'
import type { SwarmOverview } from '../../../node/monitor/overview.ts'
import { createPace } from '../../../node/monitor/pace.ts'
import { warningsOf, type Facts } from '../../../node/monitor/warnings.ts'
import { byteText, durationText } from '../../../node/process/quantities.ts'

const GB = 1e9

const swarm: SwarmOverview = {
  manifest: 'bafySWARM',
  name: 'cells',
  role: 'participant',
  samples: 100,
  dimension: 8,
  partitions: [{ index: 0, rows: 100, state: 'missing' }],
  coverage: 0,
  complete: false,
  election: { policy: 'corroboration', isLowerBetter: false, margin: 0.02, minZ: 5, minLooZ: 4, candidates: [] },
  records: { score: 0, result: 0, alignment: 0, check: 0, bytes: 0 },
  scores: { judged: 0, unjudged: 0 },
  members: 1,
  leases: { own: 0, others: 0 },
  own: { rowsPerSecond: 0 },
  needBytes: GB
}

const facts: Facts = {
  version: '0.1.0',
  peer: 'me',
  startedAt: '2026-01-01T00:00:00.000Z',
  addresses: ['/ip4/192.0.2.1/tcp/4001/p2p/me'],
  opening: [],
  swarms: [swarm],
  connections: [
    { peer: 'other', direction: 'outbound', isRelayed: false, address: '/ip4/192.0.2.2/tcp/1', swarms: [] }
  ],
  wasReached: true,
  relayReservations: 0,
  disk: { storeBytes: GB, freeBytes: 100 * GB, minFreeBytes: GB, state: 'ok' },
  upMs: 3_600_000,
  counts: { store_faults: 0, unhandled_errors: 0, worker_losses: 0 }
}

const texts = (changed: Partial<Facts>): string[] => warningsOf({ ...facts, ...changed }).map(({ text }) => text)

describe('warnings', () => {
  it('are none for a node that is well', () => {
    expect(texts({})).toEqual([])
  })

  it('name what is wrong, and every one says what to do', () => {
    const refused = {
      peer: 'me',
      prior: 'noise',
      kind: 'onnx',
      refusals: ['z = 1.2 is below 5'],
      partitions: 0,
      isReference: false
    }
    const stuck = { index: 7, rows: 100, state: 'working', peer: 'slow', done: 3, heldMs: 20 * 60_000 } as const
    const cases: [Partial<Facts>, RegExp][] = [
      [{ disk: { ...facts.disk, state: 'low', freeBytes: 1000 } }, /disk is low: 1\.0 kB free/],
      [{ disk: { ...facts.disk, freeBytes: 1.5 * GB } }, /may need 1\.0 GB, and 500 MB may be used/],
      [{ disk: { ...facts.disk, maxBytes: 1.2 * GB } }, /may need 1\.0 GB, and 200 MB may be used/],
      [{ connections: [] }, /No peer is connected/],
      [{ wasReached: false }, /No peer from another machine/],
      [{ opening: ['bafyWAITS'] }, /bafyWAITS waits for content/],
      [{ swarms: [{ ...swarm, scores: { judged: 1, unjudged: 2 } }] }, /2 scores are not judged/],
      [
        { swarms: [{ ...swarm, election: { ...swarm.election, candidates: [refused] } }] },
        /noise .*z = 1\.2 is below 5/
      ],
      [
        { swarms: [{ ...swarm, partitions: [stuck] }] },
        /partition 7 has been with slow for 20 minutes \(3 of 100 rows\)/
      ],
      [{ counts: { ...facts.counts, store_faults: 1 } }, /1 blocks of the store were damaged/],
      [{ counts: { ...facts.counts, worker_losses: 2 } }, /lost 2 times/],
      [{ counts: { ...facts.counts, unhandled_errors: 1 } }, /which is a bug/]
    ]
    for (const [changed, text] of cases) {
      const warnings = warningsOf({ ...facts, ...changed })
      expect(
        warnings.map(one => one.text),
        String(text)
      ).toEqual([expect.stringMatching(text)])
      for (const { remedy } of warnings) expect(remedy).not.toBe('')
    }
  })

  it('do not count the disk for swarms that are only watched, or a connection right after the start', () => {
    expect(texts({ swarms: [{ ...swarm, role: 'observer', needBytes: 1000 * GB }] })).toEqual([])
    expect(texts({ connections: [], wasReached: false, upMs: 1000 })).toEqual([])
  })
})

describe('the activity of a node', () => {
  it('follows partitions from their start to their result, and counts rows a second', () => {
    let time = 0
    const activity = createActivity(() => time)
    const passed: ApiEvent[] = []
    const tell = activity.tap('s', event => void passed.push(event))
    tell({ type: 'partition', partition: 3, state: 'started', rows: 100 })
    for (const done of [20, 40, 60]) {
      tell({ type: 'batch', partition: 3, done, rows: 100 })
      time += 1000
    }
    expect(activity.of('s')).toEqual({ work: [{ partition: 3, done: 60, rows: 100 }], rowsPerSecond: 40 / 3 })
    tell({ type: 'published', record: 'r', kind: 'result', partition: 3 })
    expect(activity.of('s').work).toEqual([])
    time += 120_000
    expect(activity.of('s').rowsPerSecond).toBe(0)
    expect(passed).toHaveLength(5)
    activity.ended('s')
    expect(activity.of('s')).toEqual({ work: [], rowsPerSecond: 0 })
  })
})

describe('the pace of a swarm', () => {
  it('is what was seen to move, and says how long the rest takes', () => {
    let time = 0
    const pace = createPace(() => time)
    expect(pace.observe('s', 100, 1000)).toBeUndefined()
    time = 10_000
    expect(pace.observe('s', 200, 1000)).toEqual({ rowsPerSecond: 10, secondsLeft: 80 })
    expect(pace.observe('other', 0, 1000)).toBeUndefined()
    time = 20_000
    expect(pace.observe('s', 1000, 1000)).toEqual({ rowsPerSecond: 45 })
  })
})

describe('numbers for people', () => {
  it('are short', () => {
    expect([0, 999, 1234, 41_000_000_000].map(byteText)).toEqual(['0 B', '999 B', '1.2 kB', '41.0 GB'])
    expect([0, 59, 95, 7320, 100_000].map(durationText)).toEqual(['0 s', '59 s', '1 min 35 s', '2 h 2 min', '1 d 3 h'])
  })
})
