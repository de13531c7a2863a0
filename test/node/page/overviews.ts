/** An overview with everything that a page can show, and names that want to be markup. */
import type { ChecksReport, PartitionRow } from '../../../node/api/checks.ts'
import {
  PARTITION_STATES,
  type CandidateOverview,
  type NodeOverview,
  type PartitionOverview,
  type PartitionState,
  type SwarmOverview
} from '../../../node/monitor/overview.ts'

export const HOSTILE = '<script>alert("x")</script>\'"&'

const GB = 1e9
const peer = (n: number): string => `12D3KooWQ${'abcdefghij'[n]}${'x'.repeat(30)}peer${n}`
export const SELF = peer(0)

const STATES: readonly PartitionState[] = [
  ...Array<PartitionState>(9).fill('confirmed'),
  ...Array<PartitionState>(6).fill('done'),
  'disputed',
  'waiting',
  'waiting',
  'working',
  'working',
  'working',
  'refuted',
  'missing',
  'missing'
]

function partition(state: PartitionState, index: number): PartitionOverview {
  const rows = 1000
  const by = { peer: peer(index % 3), prior: ['resnet20', 'simclr_conv', HOSTILE][index % 3] ?? '' }
  if (state === 'missing' || state === 'refuted') return { index, rows, state }
  if (state === 'working') return { index, rows, state, peer: by.peer, done: 120 + 17 * index, heldMs: index * 50_000 }
  return { index, rows, state, ...by, ...(index === 3 ? { isPartial: true } : {}) }
}

const candidate = (n: number, extra: Partial<CandidateOverview>): CandidateOverview => ({
  peer: peer(n),
  prior: `prior-${n}`,
  kind: 'onnx',
  refusals: [],
  partitions: 0,
  isReference: false,
  ...extra
})

function row({ index, state, peer: author, prior }: PartitionOverview): PartitionRow {
  return {
    partition: index,
    state: state === 'confirmed' || state === 'disputed' ? state : state === 'done' ? 'open' : 'missing',
    ...(author === undefined || prior === undefined ? {} : { peer: author, prior }),
    heldBy: state === 'confirmed' ? 2 : 0,
    wrong: 0,
    lost: 0,
    plausible: state === 'confirmed' ? 2 : 0,
    implausible: state === 'disputed' ? 1 : 0,
    abstained: 0,
    reruns: 0,
    byHistory: false,
    contenders: 0,
    refuted: state === 'refuted' ? 1 : 0
  }
}

const partitions = STATES.map(partition)
const checks: ChecksReport = {
  rule: { quorum: 1, voters: 'priors' },
  confirmed: 9,
  unconfirmed: [9, 10, 11, 12, 13, 14, 15],
  disputed: [15],
  contenders: 0,
  caught: [peer(3)],
  waiting: [
    '2 partitions (22, 23) have no targets yet',
    '6 partitions (9, 10, 11, 12, 13, 14) wait for a check by a member with another prior: 1 of 2 members that could make it is here'
  ],
  partitions: partitions.map(row)
}

export const busySwarm: SwarmOverview = {
  manifest: 'bafyreiaswarmthatisbusyxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  name: `cells ${HOSTILE}`,
  role: 'participant',
  samples: 24_000,
  dimension: 256,
  partitions,
  coverage: 16 / 24,
  complete: false,
  checks,
  election: {
    policy: 'corroboration',
    isLowerBetter: false,
    reference: { cid: 'bafyref', peer: peer(0), prior: 'resnet20', uniformValue: -1.43 },
    lead: 0.0471,
    margin: 0.02,
    minZ: 5,
    minLooZ: 4,
    candidates: [
      candidate(0, {
        prior: 'resnet20',
        rank: 1,
        figure: 0.8412,
        z: 61.2,
        gateMargin: 56.2,
        eligible: true,
        looR2: 1,
        looCosine: 1,
        looZ: 412,
        partitions: 6,
        isReference: true
      }),
      candidate(1, {
        prior: 'simclr_conv',
        rank: 2,
        figure: 0.7941,
        z: 44.8,
        gateMargin: 39.8,
        eligible: true,
        looR2: 0.4695,
        looCosine: 0.868,
        looZ: 120.4,
        partitions: 5
      }),
      candidate(2, {
        prior: HOSTILE,
        rank: 3,
        figure: 0.601,
        z: 12.5,
        gateMargin: 7.5,
        eligible: true,
        looR2: 0.2795,
        looCosine: 0.8331,
        looZ: 38.1,
        partitions: 5
      }),
      candidate(3, {
        prior: 'noise',
        z: 0.7,
        gateMargin: -4.3,
        eligible: false,
        refusals: [`z = 0.7 is below 5: ${HOSTILE}`]
      }),
      candidate(4, { prior: 'late-model' })
    ]
  },
  records: { score: 5, result: 18, alignment: 16, check: 0, bytes: 48_211 },
  scores: { judged: 4, unjudged: 1 },
  members: 3,
  leases: { own: 1, others: 2 },
  own: { rowsPerSecond: 41.3 },
  pace: { rowsPerSecond: 123.4, secondsLeft: 5310 },
  needBytes: 6.2 * GB
}

export const finishedSwarm: SwarmOverview = {
  ...busySwarm,
  manifest: 'bafyreiaswarmthatisfinishedxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  name: 'flowers',
  role: 'publisher',
  samples: 1_200_000,
  partitions: Array.from({ length: 600 }, (_, i) => partition('confirmed', i)),
  coverage: 1,
  complete: true,
  checks: { ...checks, confirmed: 600, unconfirmed: [], disputed: [], caught: [], waiting: [], partitions: [] },
  mergedCid: 'bafybeicws3vn4wopfddbbculsoybptysdkunzd2fqdufrarwcets2r5p34',
  needBytes: 0
}

const { pace: _, ...withoutPace } = busySwarm

export const emptySwarm: SwarmOverview = {
  ...withoutPace,
  manifest: 'bafyreiaswarmthatisnewxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  name: 'new-images',
  role: 'publisher',
  samples: 8000,
  partitions: Array.from({ length: 8 }, (_, i) => partition('missing', i)),
  coverage: 0,
  election: { policy: 'corroboration', isLowerBetter: false, margin: 0.02, minZ: 5, minLooZ: 4, candidates: [] },
  records: { score: 0, result: 0, alignment: 0, check: 0, bytes: 0 },
  scores: { judged: 0, unjudged: 0 },
  members: 0,
  leases: { own: 0, others: 0 },
  own: { rowsPerSecond: 0 },
  needBytes: 0
}

export const fullOverview: NodeOverview = {
  version: '0.1.0',
  peer: SELF,
  startedAt: '2026-01-01T00:00:00.000Z',
  addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${SELF}`, `/ip6/2001:db8::1/tcp/4001/p2p/${SELF}`],
  opening: ['bafyreiwaits'],
  swarms: [busySwarm, finishedSwarm, emptySwarm],
  connections: [1, 2, 5].map(n => ({
    peer: peer(n),
    direction: n === 1 ? 'inbound' : 'outbound',
    isRelayed: n === 2,
    address: `/ip4/192.0.2.${n}/tcp/4001/p2p/${peer(n)}`,
    latencyMs: 12.3 * n,
    agent: n === 2 ? HOSTILE : 'coopt/0.1.0',
    swarms: n === 5 ? [] : [busySwarm.manifest]
  })),
  wasReached: false,
  relayReservations: 2,
  disk: { storeBytes: 31 * GB, maxBytes: 80 * GB, freeBytes: 60 * GB, minFreeBytes: GB, state: 'ok' },
  warnings: [
    {
      level: 'fail',
      text: `cells ${HOSTILE}: the prior noise of this node is refused: z = 0.7 is below 5.`,
      remedy: 'Check its preprocessing with "coopt prior check MODEL --shared INVITE".',
      swarm: busySwarm.manifest
    },
    {
      level: 'warn',
      text: 'No peer from another machine has connected to this node directly since it started.',
      remedy:
        'If others should reach it, forward its TCP port and set network.announce; "coopt doctor" checks the port.'
    }
  ]
}

export const quietOverview: NodeOverview = {
  ...fullOverview,
  opening: [],
  swarms: [],
  connections: [],
  relayReservations: 0,
  wasReached: false,
  disk: { storeBytes: 0, freeBytes: 60 * GB, minFreeBytes: GB, state: 'ok' },
  warnings: []
}

export const ALL_STATES = PARTITION_STATES
