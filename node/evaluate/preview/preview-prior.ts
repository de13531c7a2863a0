/**
 * `coopt prior check PRIOR --shared INVITE|CID`: how a swarm would judge a prior that is not in it. Uses the same computation as every peer; the
 * prior's targets of the shared set never leave this process.
 *
 * Targets, uniform value and gate are those that `join` would publish and face. Rank and alignment describe the current state: a prior that joins
 * later can change both.
 */
import type { Candidate, Election } from '../../../src/align/candidate.ts'
import { round6, type Assessment } from '../../../src/align/gate.ts'
import type { Manifest } from '../../../src/distribute/manifest.ts'
import { matrixCid } from '../../../src/distribute/matrix-cid.ts'
import { NumericError } from '../../../src/errors.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { belowFloor, candidatesOf, HOPELESS, isScore, type Quality } from '../../../src/merge/views.ts'
import type { PriorModel } from '../../../src/optimize/prior.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import type { SharedReport } from '../../api/reports.ts'
import type { ContentReader } from '../../content/read-content.ts'
import type { Projector } from '../../compute/projection/projector.ts'
import { createTargetComputer } from '../../priors/compute-targets.ts'
import type { Round } from './round.ts'

export interface PreviewComponents {
  prior: PriorModel
  projector: Projector
  content: Pick<ContentReader, 'samples'>
  /** Images per call of the prior */
  batchSize: number
  onBatch(done: number, rows: number): void
  signal: AbortSignal
}

/** The candidate's key, which sorts after all record ids, so that existing equal candidates take precedence. */
const OWN = '~'

/** Throws what the prior throws for an image, and `ContentUnavailableError` when the shared set cannot be fetched. */
export async function previewPrior(round: Round, components: PreviewComponents): Promise<SharedReport> {
  const { swarm, exact, set, evidence, unjudged } = round
  const { manifest } = swarm
  const { prior } = components
  const { kind } = prior.descriptor
  const { targets, imagesPerSecond } = await targetsOfShared(round, components)
  const cid = matrixCid(targets)
  const assessment = await exact.assess(cid, kind, targets)

  const others = candidatesOf(set, evidence)
  const { uniformValue } = assessment
  const own: Candidate = { key: OWN, author: OWN, kind, targetsCid: cid, claimed: uniformValue, assessment }
  const present = await exact.elect(others)
  const next = await exact.elect([...others, own])
  const policies: Array<Manifest['election']['policy']> = ['corroboration', 'predictivity', 'uniformity']
  const ranks = [rankUnder(manifest.election.policy, next)]
  for (const policy of policies.filter(name => name !== manifest.election.policy))
    ranks.push(rankUnder(policy, await exact.elect([...others, own], policy)))

  const qualityTo = async (election: Election): Promise<Quality | undefined> => {
    const reference = election.reference?.cid
    return reference === undefined || !assessment.admissible ? undefined : await quality(round, cid, reference)
  }
  const now = await qualityTo(present)
  // `join` will face the floor of the reference that is elected once this prior takes part
  const then = await qualityTo(next)
  const floor = then === undefined ? undefined : belowFloor(manifest, then)
  const refusals = [...assessment.refusals, ...(floor === undefined ? [] : [floor])]
  const reference = referenceOf(round, present)
  return {
    manifest: swarm.id.toString(),
    name: manifest.name,
    rows: manifest.shared.rows,
    present: assessment.present,
    uniformValue,
    gate: gateReport(manifest, assessment),
    priors: present.ranking.filter(({ electable }) => electable).length,
    unjudged,
    ranks,
    ...(reference === undefined ? {} : { reference }),
    ...(now === undefined ? {} : { alignment: { ...now, minLooZ: manifest.alignment.minLooZ } }),
    ...(imagesPerSecond === undefined ? {} : { imagesPerSecond }),
    admitted: refusals.length === 0,
    refusals
  }
}

// --- internal ---

/** `imagesPerSecond`: of the model alone, without reading images */
async function targetsOfShared(
  { swarm }: Round,
  { prior, projector, content, batchSize, onBatch, signal }: PreviewComponents
): Promise<{ targets: Matrix32; imagesPerSecond?: number }> {
  const { shared } = swarm.manifest
  let milliseconds = 0
  const { callsAtOnce: _, ...alone } = prior // calls that overlap cannot be timed
  const timed: PriorModel = {
    ...alone,
    embed: async (images, options) => {
      const started = performance.now()
      const made = await prior.embed(images, options)
      milliseconds += performance.now() - started
      return made
    }
  }
  const computer = createTargetComputer({ swarm, prior: timed, projector, batchSize })
  const targets = await computer.ofSamples(content.samples(shared, 0, signal), shared.rows, {
    onBatch: done => onBatch(done, shared.rows),
    signal
  })
  if (prior.descriptor.kind !== 'onnx') return { targets }
  return { targets, imagesPerSecond: round6((shared.rows * 1000) / Math.max(milliseconds, 1)) }
}

function gateReport({ gate }: Manifest, { z, rowsNeeded }: Assessment): SharedReport['gate'] {
  return {
    z,
    threshold: gate.minZ,
    margin: round6(z - gate.minZ),
    ok: z >= gate.minZ,
    ...(rowsNeeded === 0 ? {} : { rowsNeeded })
  }
}

function rankUnder(policy: string, election: Election): SharedReport['ranks'][number] {
  const electable = election.ranking.filter(entry => entry.electable)
  const own = election.ranking.find(({ key }) => key === OWN)
  const at = electable.findIndex(({ key }) => key === OWN)
  return {
    policy,
    ...(own?.figure === undefined ? {} : { figure: own.figure }),
    ...(at < 0 ? {} : { rank: at + 1 }),
    of: electable.length,
    elected: election.reference?.provenance.from.includes(OWN) === true,
    ...(own?.reason === undefined ? {} : { reason: own.reason })
  }
}

async function quality({ exact }: Round, ...[from, to]: Parameters<Round['exact']['quality']>): Promise<Quality> {
  try {
    return await exact.quality(from, to)
  } catch (error) {
    if (error instanceof NumericError) return HOPELESS
    throw error
  }
}

function referenceOf({ set }: Round, election: Election): SharedReport['reference'] {
  const { reference } = election
  if (reference?.cid !== undefined && reference.matrix !== undefined)
    return { cid: reference.cid.toString(), prior: `consensus of ${reference.provenance.from.length} priors` }
  const score = set.get(reference?.provenance.from[0] ?? '')
  if (reference?.cid === undefined || score === undefined || !isScore(score)) return undefined
  return { cid: reference.cid.toString(), peer: peerIdOf(score.body.author), prior: score.body.prior.name }
}
