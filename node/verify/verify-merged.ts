/**
 * READ FIRST: `coopt verify CID` replays everything that follows from a merged root and trusts no peer.
 *
 * The manifest and the records are checked by the same code that checked them on arrival; assessments, election and alignment figures
 * are computed again from the evidence; verdicts of members on each other's work are computed again as far as their bytes are available
 * (verify-verdicts.ts); and the directory is built again and must come out as the same CID.
 */
import type { CID } from 'multiformats/cid'
import { CLAIM_TOLERANCE } from '../../src/align/candidate.ts'
import type { Swarm } from '../../src/distribute/manifest.ts'
import { CoOptError, InvalidContentError } from '../../src/errors.ts'
import type { Gemm } from '../../src/gemm.ts'
import { mergeDataset } from '../../src/merge/dataset.ts'
import type { RecordSet } from '../../src/merge/record-set.ts'
import type { Acceptance } from '../../src/merge/confirmation.ts'
import { LOCAL_VIEW_FILE, needsDistinctPriors } from '../../src/merge/local-view.ts'
import { shardName } from '../../src/merge/shard-name.ts'
import { assessmentKey, candidatesOf, qualityKey, viewOf, type Evidence } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { VerdictsReport } from '../api/checks.ts'
import type { VerifyReport } from '../api/reports.ts'
import type { LocalContent } from '../content/local-content.ts'
import type { ContentFetcher } from '../content/fetch-content.ts'
import type { ContentReader } from '../content/read-content.ts'
import { assessScores } from '../merge/assess-scores.ts'
import { entryAt, openDirectory, type MergedDirectory } from '../merge/merged-directory.ts'
import { readManifest, readRecords } from '../merge/open-merged.ts'
import { confirmationDetail, localRule, verdictsDetail } from './confirmation-text.ts'
import { rerunGroups, rerunPrior, type Rerun, type RerunInit } from './verify-rerun.ts'
import { checkTargets, type CheckedTargets } from './verify-targets.ts'
import { checkVerdicts } from './verify-verdicts.ts'

export interface VerifyComponents {
  content: Pick<LocalContent, 'tree' | 'holds'> & Pick<ContentFetcher, 'block' | 'leaves'> & ContentReader
  /** Kernels for fitting alignments again */
  gemm: Gemm
  /** Ask peers for the targets that checks compared, where they are not available locally */
  fetch?: boolean
  /** Run priors that came as bundles again; foreign models are run only when this is given */
  rerun?: RerunInit | undefined
}

export async function verifyMerged(
  root: CID,
  { content, gemm, rerun, fetch = false }: VerifyComponents,
  signal: AbortSignal
): Promise<VerifyReport> {
  const checks: VerifyReport['checks'] = []
  /** Run one check; what it throws is its failure. Returns its value, or undefined when it failed. */
  const check = async <T>(name: string, run: () => Promise<{ detail: string; value: T }>): Promise<T | undefined> => {
    try {
      const { detail, value } = await run()
      checks.push({ name, ok: true, detail })
      return value
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error
      checks.push({ name, ok: false, detail: error.message })
      return undefined
    }
  }
  let verdicts: VerdictsReport | undefined
  const report = (): VerifyReport => ({
    ok: checks.every(c => c.ok),
    checks,
    ...(verdicts === undefined ? {} : { verdicts })
  })

  const options = { signal }
  const directory = await check('directory', async () => {
    const value = await openDirectory(root, async cid => await content.block(cid, options))
    return { detail: `${value.entries.size} entries`, value }
  })
  if (directory === undefined) return report()
  const { entries } = directory

  const swarm = await check('manifest', async () => {
    const value = await readManifest(directory, content, options)
    return {
      detail: `swarm ${value.id}, ${value.manifest.partitions.length} partitions, signed by its publisher`,
      value
    }
  })
  if (swarm === undefined) return report()

  const set = await check('records', async () => {
    const value = await readRecords(directory, swarm, content, options)
    return { detail: `${value.size} records, every signature valid`, value }
  })
  if (set === undefined) return report()

  let acceptance: Acceptance | undefined = swarm.manifest.acceptance
  if (entries.has(LOCAL_VIEW_FILE)) {
    acceptance = await check('local view', async () => await localRule(directory, swarm, content, options))
    if (acceptance === undefined) return report()
  }

  const evidence = await check('uniform values and gate', async () => {
    return await recompute(directory, swarm, set, content, signal)
  })
  if (evidence === undefined) return report()
  const { exact, assessments } = evidence
  try {
    const election = await check('election', async () => {
      const isDistinct = acceptance !== undefined && needsDistinctPriors(swarm.manifest, acceptance)
      const candidates = candidatesOf(set, { assessments, qualities: new Map() })
      const value = await exact.elect(candidates, undefined, isDistinct)
      const reference = value.reference?.cid
      if (reference === undefined) throw new InvalidContentError('no eligible prior: there is no reference')
      const linked = entryAt(directory, 'evidence/reference.f32')
      if (!linked.equals(reference))
        throw new InvalidContentError(`${reference} is elected, the directory links ${linked}`)
      return { detail: `reference ${reference} by ${swarm.manifest.election.policy}`, value }
    })
    const reference = election?.reference?.cid
    if (election === undefined || reference === undefined) return report()

    const qualities = await check('alignment figures', async () => {
      const value: Evidence['qualities'] = new Map(
        await Promise.all(
          set
            .byType('score')
            .filter(s => assessments.get(assessmentKey(s.body))?.admissible === true)
            .map(
              async s =>
                [qualityKey(s.body.targets, reference), await exact.quality(s.body.targets, reference)] as const
            )
        )
      )
      return { detail: `${value.size} leave-one-out fits`, value }
    })
    if (qualities === undefined) return report()

    const view = viewOf(swarm.manifest, set, { assessments, qualities }, election, acceptance)
    await check('shards', async () => {
      const total = [...entries.keys()].filter(path => path.startsWith('data/')).length
      if (view.chosen.size !== total)
        throw new InvalidContentError(`the records account for ${view.chosen.size} of the ${total} shards`)
      for (const { partition, alignment } of view.chosen.values()) {
        const path = `data/${shardName(partition, swarm.manifest.partitions.length)}`
        const linked = entryAt(directory, path)
        if (!linked.equals(alignment.body.shard))
          throw new InvalidContentError(`${path} is ${linked}, the records say ${alignment.body.shard}`)
      }
      return {
        detail: `${view.chosen.size} of ${swarm.manifest.partitions.length} partitions, ${view.rows} rows`,
        value: undefined
      }
    })
    const { confirmation } = view
    if (confirmation !== undefined) {
      await check('confirmation', async () => ({ detail: confirmationDetail(view), value: undefined }))
      const assessed = new Set(
        set.byType('score').flatMap(s => (assessments.has(assessmentKey(s.body)) ? [s.key] : []))
      )
      const { manifest } = swarm
      await check('verdicts', async () => {
        const found = await checkVerdicts({ manifest, set, confirmation, assessed, exact, content, fetch, signal })
        const { contradictions: _c, ignored: _i, ...counts } = found
        verdicts = counts
        return { detail: verdictsDetail(found), value: undefined }
      })
    }
    await check('targets', async () => {
      const choices = view.chosen.values()
      const { manifest } = swarm
      const value = await checkTargets({ manifest, choices, reference, content, exact, gemm, signal })
      return { detail: targetsDetail(value, view.chosen.size), value }
    })
    if (rerun !== undefined) {
      const groups = rerunGroups(view.chosen.values())
      for (const group of groups) {
        const { name } = group.score.body.prior
        await check(`rerun of ${name}`, async () => {
          const value = await rerunPrior(group, { swarm, reference, content, exact, gemm, signal }, rerun)
          return { detail: rerunDetail(value), value }
        })
      }
      const shards = groups.reduce((sum, { choices }) => sum + choices.length, 0)
      const detail =
        `${shards} of ${view.chosen.size} shards are of priors that came as bundles; ` +
        (shards === 0
          ? 'nothing could be run again: all targets are as their authors claim'
          : 'the others are as their authors claim')
      checks.push({ name: 'rerun', ok: true, detail })
    }
    await check('merged directory', async () => {
      const merged = await mergeDataset(swarm, set, { assessments, qualities }, view)
      if (!merged.root.equals(root)) throw new InvalidContentError(`these records merge to ${merged.root}`)
      return { detail: 'built again from the records, same CID', value: undefined }
    })
    return report()
  } finally {
    await exact.close()
  }
}

// --- internal ---

function rerunDetail({ rows, shards, unmatched, worst, license }: Rerun): string {
  return (
    `${rows} rows of ${shards} shards come out again, off by ${worst.toExponential(1)} at most; ` +
    (unmatched === 0 ? '' : `${unmatched} of the shards have no partition available to compare their images with; `) +
    `licence of the prior: ${license ?? 'not stated'}`
  )
}

function targetsDetail({ shards, weighted, images, recomputed, rows }: CheckedTargets, total: number): string {
  return (
    `${shards} of ${total} shards are in this store and have finite targets for ${rows} rows; ` +
    `weights of ${weighted} computed again${weighted < shards ? ` (the others have none: each of their rows counts 1)` : ''}, images of ${images} compared with their partition, ` +
    `targets of ${recomputed} computed again from raw ones`
  )
}

async function recompute(
  directory: MergedDirectory,
  swarm: Swarm,
  set: RecordSet,
  content: VerifyComponents['content'],
  signal: AbortSignal
) {
  const assessed = await assessScores(directory, swarm, set.byType('score'), content, { signal })
  const { exact, assessments, scores } = assessed
  try {
    const equivocators = set.equivocators()
    for (const { body } of scores) {
      // a proof of equivocation is not a candidate: it may cite any targets and claim anything of them
      if (equivocators.has(peerIdOf(body.author))) continue
      const assessment = assessments.get(assessmentKey(body))
      if (assessment?.admissible !== true) {
        throw new InvalidContentError(
          `prior "${body.prior.name}" does not pass the gate: ${assessment?.refusals.join('; ')}`
        )
      }
      if (!(Math.abs(assessment.uniformValue - body.uniformValue) <= CLAIM_TOLERANCE)) {
        throw new InvalidContentError(
          `prior "${body.prior.name}" claims the uniform value ${body.uniformValue}, its targets have ${assessment.uniformValue}`
        )
      }
    }
    return { detail: `${assessments.size} priors recomputed and admissible`, value: { exact, assessments } }
  } catch (error) {
    await exact.close()
    throw error
  }
}
