import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createProjector, type Projector } from '../../../node/compute/projection/projector.ts'
import { participate } from '../../../node/participant/participant.ts'
import { createTargetComputer } from '../../../node/priors/compute-targets.ts'
import { silentLogger } from '../../../node/process/logger.ts'
import { createLeaseTable } from '../../../node/state/leases.ts'
import { createSwarmState } from '../../../node/state/swarm-state.ts'
import { elect } from '../../../src/align/election.ts'
import type { Sample } from '../../../src/distribute/partition-file.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { matrix } from '../../../src/matrix.ts'
import type { PriorModel } from '../../../src/optimize/prior.ts'
import { makeSwarm, testCid, testPeer, verify } from '../../helpers/swarm-factory.ts'
import { testAssessment } from '../../helpers/test-evidence.ts'

const L = 4
const self = testPeer('participant')
let folder: string
let projector: Projector
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-participant-'))
  projector = createProjector()
})
afterEach(async () => {
  await projector.close()
  await rm(folder, { recursive: true, force: true })
})

const prior: PriorModel = {
  descriptor: { kind: 'onnx', id: testCid('model'), name: 'a prior', dimension: L, feature: 'pixels' },
  embed: async images => ({
    features: matrix(images.length, L, new Float32Array(images.length * L).fill(1)),
    absent: images.map(() => false)
  }),
  close: async () => {}
}
async function unneeded(): Promise<never> {
  throw new Error('not needed here')
}

test('an attempt that fails does not count towards --max-partitions, a published result does', async () => {
  const swarm = await makeSwarm()
  const { manifest } = swarm
  const verdict = { ...testAssessment(testCid('targets')), uniformValue: -1, admissible: true, refusals: [] }
  const exact = {
    assess: async () => verdict,
    quality: async () => ({ looR2: 1, looCosine: 1, looZ: 50 }),
    elect: async (candidates: Parameters<typeof elect>[1]) => elect(manifest, candidates),
    uniformValue: async () => verdict.uniformValue,
    fit: unneeded,
    forget: unneeded,
    close: async () => {}
  }
  let unused = 0
  const state = createSwarmState({
    swarm,
    self: self.key,
    sign: self.sign,
    verify,
    patient: false,
    logger: silentLogger,
    log: { append: async () => {} },
    sequence: { next: async () => unused++ },
    exact,
    fetchTargets: async () => matrix(manifest.shared.rows, manifest.dimension, new Float32Array(64))
  })
  state.start()

  let failed = 0
  const content = {
    put: async () => {},
    barrier: async () => {},
    samples: async function* ({ cid }: { cid: unknown }, start: number): AsyncGenerator<Sample> {
      const isShared = cid === manifest.shared.cid
      if (!isShared && failed++ === 0) throw new ContentUnavailableError('nobody sends it')
      for (let index = start; index < (isShared ? manifest.shared.rows : 10); index++)
        yield { index, id: `${index}`, bytes: Uint8Array.of(1) }
    },
    fetch: async () => {},
    matrix: unneeded,
    leaves: unneeded,
    block: unneeded
  }
  const stop = new AbortController()
  const attempts: number[] = []
  const results: number[] = []
  const report = await participate(
    {
      self: self.key,
      state,
      exact,
      content,
      prior,
      computer: createTargetComputer({ swarm, prior, projector, batchSize: 4 }),
      gemm: plainGemm,
      departure: { intend: () => {}, isHeldBack: () => false },
      leases: createLeaseTable({ self: self.key, ttlMs: 60_000 }),
      announce: async () => {},
      announceLease: async () => {},
      journalPath: name => join(folder, name),
      removeJournal: async name => await rm(join(folder, name), { force: true }),
      onEvent: event => {
        if (event.type === 'partition' && event.state === 'started') attempts.push(event.partition)
        if (event.type !== 'published' || event.partition === undefined) return
        results.push(event.partition)
        stop.abort()
      },
      onScored: () => {},
      isUndecided: () => false,
      mayRetry: () => false,
      logger: silentLogger
    },
    // the reference is never stable for long enough: what is published stays unaligned
    { once: true, maxPartitions: 1, settleMs: 600_000, renewMs: 60_000 },
    { signal: stop.signal, kill: new AbortController().signal }
  )
  await state.stop()
  expect(attempts).toHaveLength(2)
  expect(results).toEqual(attempts.slice(1))
  expect(report).toEqual({ partitions: 1, done: false })
})
