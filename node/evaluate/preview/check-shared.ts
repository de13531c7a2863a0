/**
 * `coopt prior check` in a node: for a bundle that is fetched by its CID, or against a swarm. Reports what `checkPrior` finds, then how the swarm
 * would judge the prior.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { decodeInvite } from '../../../src/distribute/invite.ts'
import { imageLimitsOf } from '../../../src/distribute/manifest.ts'
import type { PriorCheckOptions } from '../../api/options.ts'
import type { PriorReport, SharedReport } from '../../api/reports.ts'
import type { ContentWriter } from '../../content/content.ts'
import type { ContentFetcher } from '../../content/fetch-content.ts'
import type { LocalContent } from '../../content/local-content.ts'
import type { ContentReader } from '../../content/read-content.ts'
import type { Swarms } from '../../swarms/swarms.ts'
import type { ApiEvent } from '../../api/events.ts'
import { fetchBundle } from '../../priors/bundle/fetch-bundle.ts'
import { checkPrior } from '../../priors/check-prior.ts'
import type { DeviceSettings } from '../../compute/inference/accelerator.ts'
import { decodeLimits, DEFAULT_LIMITS, type InferenceLimits } from '../../compute/inference/limits.ts'
import type { Projector } from '../../compute/projection/projector.ts'
import { loadPrior } from '../../priors/load-prior.ts'
import { refuseOptions } from '../../priors/refuse-options.ts'
import { mergeUnlessKnown } from '../../merge/merge-swarm.ts'
import { openMerged } from '../../merge/open-merged.ts'
import { directoryCid } from '../../api/directory-cid.ts'
import { previewPrior } from './preview-prior.ts'
import { roundOfDataset, roundOfSwarm, type Round } from './round.ts'

export interface CheckComponents {
  readonly content: Pick<LocalContent, 'has'> & ContentFetcher & ContentReader & Pick<ContentWriter, 'put' | 'barrier'>
  readonly swarms: Pick<Swarms, 'all' | 'find'>
  readonly limits: Partial<InferenceLimits>
  /** Where models run unless the options say */
  readonly machine: DeviceSettings
  readonly projector: Projector
  /** Images per call of the prior */
  readonly batchSize: number
  /** How long to wait for a first member of the swarm, ms */
  readonly catchUpMs: number
  /** Folder for temporary files */
  readonly spool: string
}

interface Call {
  onEvent(event: ApiEvent): void
  readonly signal: AbortSignal
}

/** `prior`: an absolute path, the CID of a bundle, or the URL of a model behind a server. Errors as `CoOptApi.priorCheck`. */
export async function checkPriorIn(
  components: CheckComponents,
  prior: string,
  options: PriorCheckOptions,
  call: Call
): Promise<PriorReport> {
  const cid = directoryCid(prior)
  if (cid === undefined) return await checkFiles(components, prior, options, call)
  refuseOptions(prior, 'bundle', options)
  return await withBundle(components, cid, call.signal, async folder => {
    const report = await checkFiles(components, folder, options, call)
    const made = report.bundle?.cid
    if (made === undefined || made === cid.toString()) return report
    return {
      ...report,
      refusals: [...report.refusals, `${cid} does not have the layout of a bundle: its files would make ${made}`]
    }
  })
}

// --- internal ---

/** The folder is removed after `use`. */
async function withBundle<T>(
  { content, limits, spool }: CheckComponents,
  cid: CID,
  signal: AbortSignal,
  use: (folder: string) => Promise<T>
): Promise<T> {
  await mkdir(spool, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(spool, 'check-'))
  try {
    const maxModelBytes = limits.modelBytes ?? DEFAULT_LIMITS.modelBytes
    await fetchBundle(cid, folder, { content, maxModelBytes, signal })
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function checkFiles(
  components: CheckComponents,
  path: string,
  { image, shared, ...rest }: PriorCheckOptions,
  { onEvent, signal }: Call
): Promise<PriorReport> {
  const options = {
    limits: components.limits,
    machine: components.machine,
    scratch: components.spool,
    ...rest,
    signal,
    onWarning: (message: string) => onEvent({ type: 'log', level: 'warn', message })
  }
  const report = await checkPrior(path, { ...options, ...(image === undefined ? {} : { image }) })
  if (shared === undefined || report.refusals.length > 0) return report
  const round = await roundOf(components, shared, signal)
  try {
    const limits = { ...components.limits, ...decodeLimits(imageLimitsOf(round.swarm.manifest)) }
    const prior = await loadPrior(path, { ...options, limits })
    try {
      const { content, projector, batchSize } = components
      const onBatch = (done: number, rows: number): void => onEvent({ type: 'scoring', done, rows })
      const preview: SharedReport = await previewPrior(round, {
        prior,
        projector,
        content,
        batchSize,
        onBatch,
        signal
      })
      return { ...report, shared: preview }
    } finally {
      await prior.close()
    }
  } finally {
    await round.close()
  }
}

/** A UnixFS directory is a merged dataset; anything else names a swarm. */
async function roundOf(
  { swarms, content, catchUpMs }: CheckComponents,
  shared: string,
  signal: AbortSignal
): Promise<Round> {
  const root = directoryCid(shared)
  if (root !== undefined) {
    await mergeUnlessKnown(root, swarms.all(), content)
    return await roundOfDataset(await openMerged(root, content, { signal }), content, signal)
  }
  return await roundOfSwarm(await swarms.find(decodeInvite(shared), signal), catchUpMs, signal)
}
