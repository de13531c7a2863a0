/** One report of each operation, with figures that tests recognise in what is printed. */
import type { EvaluateReport } from '../../node/api/evaluate.ts'
import type {
  DeviceReport,
  JoinReport,
  MergeReport,
  PriorReport,
  PublishReport,
  StatusReport,
  SwarmStatus
} from '../../node/api/reports.ts'

export const PEER = '12D3KooWFakePeerFakePeerFakePeerFakePeerFakePeerFake'
export const MANIFEST = 'bafyreifakefakefakefakefakefakefakefakefakefakefakefakefake'
export const MERGED = 'bafybeifakefakefakefakefakefakefakefakefakefakefakefakefake'

export const publishReport: PublishReport = {
  manifest: MANIFEST,
  invite: 'coopt1abc',
  samples: 2000,
  duplicates: 3,
  leftOut: [],
  partitions: 16,
  shared: 500,
  dimension: 128,
  confirmedBy: 'nobody: the records of its author finish work',
  bytes: 5_000_000
}
export const joinReport: JoinReport = {
  manifest: MANIFEST,
  peer: PEER,
  prior: 'resnet20',
  partitions: 4,
  complete: true,
  mergedCid: MERGED,
  mayChange: { scoring: [], improving: [], weaker: 0, unjudged: 0 }
}
export const swarmStatus: SwarmStatus = {
  manifest: MANIFEST,
  invite: 'coopt1abc',
  name: 'sample',
  role: 'participant',
  partitions: { total: 16, done: 16, mine: 4 },
  reference: { cid: MANIFEST, peer: PEER, prior: 'resnet20', uniformValue: -2.5 },
  peers: [
    {
      peer: PEER,
      prior: 'resnet20',
      uniformValue: -2.5,
      eligible: true,
      refusals: [],
      looR2: 1,
      looCosine: 1,
      partitions: 12
    },
    {
      peer: `${PEER}2`,
      prior: 'noise',
      uniformValue: -3.9,
      eligible: false,
      refusals: ['R2 0.01, at least 0.1'],
      partitions: 0
    }
  ],
  coverage: 1,
  complete: true,
  mergedCid: MERGED
}
export const statusReport: StatusReport = { peer: PEER, addresses: ['/ip4/127.0.0.1/tcp/4001'], swarms: [swarmStatus] }
export const mergeReport: MergeReport = {
  mergedCid: MERGED,
  provisional: false,
  unjudged: 0,
  coverage: 1,
  rows: 2000,
  reference: swarmStatus.reference,
  peers: swarmStatus.peers
}
export const priorReport: PriorReport = {
  id: MERGED,
  name: 'resnet20',
  kind: 'onnx',
  bytes: 1_091_637,
  input: { name: 'image', shape: ['N', 3, 32, 32] },
  output: { name: 'feature', rule: 'the only output' },
  dimension: 64,
  preprocessing: ['resize to 32x32, bilinear'],
  imagesPerSecond: 812.5,
  refusals: []
}

const half = { accuracy: 0.5, standardError: 0.05 }
export const evaluateReport: EvaluateReport = {
  cid: MERGED,
  manifest: MANIFEST,
  name: 'sample',
  seed: 0,
  rows: { total: 100, withTarget: 90, labelled: 80, used: 80 },
  classes: [
    { name: 'cat', rows: 40 },
    { name: 'dog', rows: 40 }
  ],
  reference: MERGED,
  probes: {
    ridge: { ...half, ridge: 0.1 },
    logistic: { ...half, c: 1 },
    neighbours: { ...half, k: 5 },
    chance: 0.5,
    tests: 16
  },
  inconsistency: {
    rows: 300,
    pairs: 1,
    variation: { raw: 0.9, aligned: 0.2, heldOut: 0.3, calibration: 0.01 },
    cosine: { raw: 1.1, aligned: 0.2, heldOut: 0.3 }
  },
  participants: [
    {
      peer: PEER,
      prior: 'resnet20',
      kind: 'onnx',
      partitions: 8,
      rows: 45,
      uniformValue: -2.5,
      predictivity: 0.6,
      probe: half,
      looR2: 1,
      looCosine: 1,
      agreement: { cosine: 0.8, r2: 0.5 },
      ownRows: { ...half, tests: 8 }
    },
    { peer: `${PEER}2`, prior: 'vgg_small', kind: 'onnx', partitions: 8, rows: 45, uniformValue: -2 }
  ],
  correlation: { uniformity: { rho: -0.5, p: 0.6667, pairs: 3 } },
  notes: ['10 rows with a target have no label']
}

export const deviceReport: DeviceReport = {
  runtime: '1.30.0',
  configured: 'cpu',
  devices: [
    { name: 'cpu', available: true, needs: 'nothing' },
    { name: 'cuda:0', available: false, reason: 'libcuda.so.1 is missing', needs: 'a GPU' }
  ]
}
