/**
 * What `npm run torture` runs: one entry for each line of the page. Sizes are those of a run of hours (`plan`) and of minutes (`short`);
 * a driver reads its size from the environment and asserts the limits of `passes` itself, so a run passes when its tests do.
 */

/** One call of vitest. */
export interface Step {
  /** Test files; those of `test/torture` are drivers made for this command, the others are in `npm test` at their usual size */
  readonly files: readonly string[]
  /** Only tests whose name matches */
  readonly pattern?: string
  /** Environment besides the size */
  readonly env?: Readonly<Record<string, string>>
}

export interface Size {
  readonly plan: number
  readonly short: number
  /** What is counted */
  readonly unit: string
  /** The environment variable that carries it */
  readonly variable: string
}

export interface Run {
  readonly id: string
  readonly title: string
  /** The limits that the tests assert */
  readonly passes: string
  readonly size?: Size
  readonly steps: readonly Step[]
  /** Left out of `--short`: its smallest useful size is too long */
  readonly longOnly?: boolean
  /** What of this line nothing here can run, and why */
  readonly missing?: string
}

const torture = (name: string, env?: Step['env']): Step => ({
  files: [`test/torture/${name}.torture.ts`],
  ...(env === undefined ? {} : { env })
})

const STORE = ['durable-blockstore', 'record-log', 'atomic-file', 'sequence', 'progress-journal'].map(
  name => `test/node/store/${name}.test.ts`
)

export const PLAN: readonly Run[] = [
  {
    id: 'R1',
    title: 'kill -9 at every named point and at any time',
    passes:
      '0 durable records lost, 0 numbers used twice, at most 1 batch a kill computed again, start to first batch p95 < 5 s',
    size: { plan: 404, short: 14, unit: 'kills', variable: 'COOPT_KILLS' },
    steps: [torture('kills')],
    longOnly: true
  },
  {
    id: 'R2',
    title: 'power cut after every call to the disk',
    passes: '0 acknowledged records or blocks lost, always opens again, nothing wrong is ever read',
    size: { plan: 100, short: 4, unit: 'outcomes of every cut', variable: 'COOPT_CUTS' },
    steps: [torture('power-cuts'), { files: STORE, pattern: 'cut|is the last before' }],
    missing: 'a simulated disk; no LazyFS'
  },
  {
    id: 'R3',
    title: 'the n-th call to the disk fails, n = 1, 2, 3, … (EIO, ENOSPC, EMFILE, half a write)',
    passes: '0 silent losses, every error names its path, everything works when the error is gone',
    size: { plan: 10, short: 3, unit: 'publications a disk', variable: 'COOPT_PUBLICATIONS' },
    steps: [torture('disk-errors'), { files: STORE, pattern: 'fail|whichever call' }]
  },
  {
    id: 'R4',
    title: 'networks that split, flap and heal',
    passes: 'the same records, view and CID for all, 0 lost',
    size: { plan: 200, short: 10, unit: 'histories', variable: 'COOPT_SEEDS' },
    steps: [
      { files: ['test/simulator.test.ts'], pattern: 'comes to one dataset' },
      { files: ['test/integration/node/split.test.ts'] }
    ],
    missing: 'simulated network and three nodes in one process; no split of network namespaces'
  },
  {
    id: 'R5',
    title: 'no gossip at all: digests alone',
    passes: 'converges in 30 s, bytes at most 1.5 times those of the missing records',
    size: { plan: 10_000, short: 1000, unit: 'records', variable: 'COOPT_RECORDS' },
    steps: [torture('no-gossip')]
  },
  {
    id: 'R6',
    title: 'a long, lossy, slow line: 200 ms, 5 % loss, 1 Mbit/s',
    passes: 'completes at 60 % of the line or more, 0 healthy connections ended',
    steps: [],
    missing: 'needs netem, which few kernels of test machines have; slow and cut lines without loss are in R15'
  },
  {
    id: 'R7',
    title: '30 % attackers of each kind',
    passes:
      '0 attackers elected but a copy of the winner or a blend with half of a prior in it, which are that prior; 0 false work confirmed, 0 honest members caught',
    size: { plan: 20, short: 1, unit: 'seeds for each kind', variable: 'COOPT_ATTACKS' },
    steps: [
      torture('attacks'),
      { files: ['test/integration/node/dishonest-swarm.test.ts', 'test/integration/node/dishonest-work.test.ts'] }
    ],
    longOnly: true,
    missing: 'simulated swarms over cached features of generated pictures'
  },
  {
    id: 'R8',
    title: 'liars, equivocators, crashes and splits at once, with checks',
    passes: 'nothing false confirmed, nobody honest caught, one CID',
    size: { plan: 1000, short: 4, unit: 'histories', variable: 'COOPT_SEEDS' },
    steps: [{ files: ['test/simulator.test.ts'], pattern: 'confirms nothing false' }]
  },
  {
    id: 'R9',
    title: 'every decoder of foreign bytes: changed good inputs and made-up ones',
    passes: '0 crashes, hangs or errors that are not ours; at most 50 ms each; heap + 32 MiB at most',
    size: { plan: 110_000, short: 400, unit: 'inputs for each decoder', variable: 'COOPT_INPUTS' },
    steps: [torture('decoders'), { files: ['test/node/damaged-input.test.ts'] }],
    missing:
      'decoders that read files or run native code get a tenth, those that sync the disk a thousandth; branch coverage is not measured'
  },
  {
    id: 'R10',
    title: 'malformed frames, handshakes and stalled streams against a live node',
    passes:
      'attackers cut off within 2 s of the sixth bad frame, all honest records arrive, memory + 64 MiB at most (and 1 MiB for each attacker, which run in the same process)',
    size: { plan: 20_000, short: 2000, unit: 'bad frames tried, 500 an attacker', variable: 'COOPT_FRAMES' },
    steps: [torture('bad-frames'), { files: ['test/node/network/gossip-guard.test.ts'] }],
    missing: 'no broken frames of yamux inside an encrypted connection'
  },
  {
    id: 'R11',
    title: 'a swarm of many whole nodes',
    passes: 'all finish, one CID',
    size: { plan: 100, short: 4, unit: 'nodes', variable: 'COOPT_NODES' },
    steps: [torture('many')],
    longOnly: true
  },
  {
    id: 'R12',
    title: 'members that come and go, half of them killed',
    passes: 'late members have everything p95 < 10 s; handles back to where they were',
    size: { plan: 150, short: 6, unit: 'joins', variable: 'COOPT_JOINS' },
    steps: [torture('churn')],
    missing: 'two lasting nodes and one at a time that joins, not forty'
  },
  {
    id: 'R13',
    title: 'a disk that fills up and is freed again',
    passes: 'reads go on, 0 corrupt blocks, writes go on when there is space, 0 temporary files',
    size: { plan: 200, short: 5, unit: 'times full', variable: 'COOPT_FILLS' },
    steps: [torture('full-disk'), { files: ['test/integration/process/hard-home.test.ts'] }]
  },
  {
    id: 'R14',
    title: 'clocks that are wrong and jump: an hour, a year, backwards',
    passes: 'the same records, view and CID for all, 0 lost',
    size: { plan: 200, short: 5, unit: 'histories', variable: 'COOPT_SEEDS' },
    steps: [torture('clocks'), { files: ['test/node/state/leases.test.ts'] }],
    missing: 'simulated clocks; no processes under libfaketime'
  },
  {
    id: 'R15',
    title: 'slow, stalling, lying and resetting holders of content',
    passes: '0 wrong bytes accepted, somebody else is asked',
    steps: [
      {
        files: [
          'test/node/content/transfers.test.ts',
          'test/protocols/blocks/blocks.test.ts',
          'test/protocols/reference/reference.test.ts',
          'test/node/network/silence-watch.test.ts'
        ]
      }
    ]
  },
  {
    id: 'R16',
    title: 'damaged files of a home',
    passes:
      '0 damaged bytes served, what is damaged is named, kept as far as it is whole, or fetched again; a damaged key refuses to start',
    size: { plan: 300, short: 10, unit: 'damaged stores', variable: 'COOPT_DAMAGES' },
    steps: [torture('damage'), { files: ['test/integration/node/damage.test.ts', 'test/node/home/identity.test.ts'] }]
  },
  {
    id: 'R17',
    title: 'a node for a long time',
    passes:
      'heap grows < 1 % an hour of rounds after warming up (asserted from 600 rounds on), handles and listeners constant, event loop p99 < 50 ms, 0 warnings',
    size: { plan: 1440, short: 20, unit: 'rounds of 60 gossip messages and 6 syncs', variable: 'COOPT_ROUNDS' },
    steps: [torture('soak')],
    missing: 'three members that gossip and sync; no rounds of the method'
  },
  {
    id: 'R18',
    title: 'the process of ONNX Runtime dies, hangs and answers nonsense',
    passes: 'every batch has its result or a clear error, 0 processes left, event loop p99 < 50 ms',
    size: { plan: 500, short: 12, unit: 'crashes', variable: 'COOPT_CRASHES' },
    steps: [torture('worker-crashes'), { files: ['test/node/compute/inference/replies.test.ts'] }]
  },
  {
    id: 'R19',
    title: 'homes of older and newer versions',
    passes: '0 lost; newer ones are refused and left as they are',
    steps: [
      {
        files: [
          'test/node/home/migrate.test.ts',
          'test/integration/node/old-home.test.ts',
          'test/src/extension.test.ts'
        ]
      }
    ],
    missing: 'one earlier version exists, as fixtures; no swarm of two released versions'
  },
  {
    id: 'R20',
    title: 'random histories of 60 steps against the laws of the record set',
    passes: '0 counterexamples: join laws, monotonic views, nothing durable lost',
    size: { plan: 10_000, short: 30, unit: 'histories', variable: 'COOPT_HISTORIES' },
    steps: [torture('histories')]
  },
  {
    id: 'R21',
    title: 'the same records in random orders, on every Node there is',
    passes: '1 CID',
    size: { plan: 1000, short: 50, unit: 'orders', variable: 'COOPT_ORDERS' },
    steps: [torture('orders')]
  },
  {
    id: 'R22',
    title: 'two machines: stock Kubo fetches what we provide',
    passes: 'bytes equal',
    steps: [],
    missing: 'needs two machines; on one, `npm run test:interop` does it'
  }
]
