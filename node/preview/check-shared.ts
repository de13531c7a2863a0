/**
 * `coopt prior check` with the help of a node: of a bundle that has to be fetched by its CID, or against a swarm. What `checkPrior` says, then what
 * the swarm would make of it.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { decodeInvite } from '../../src/distribute/invite.ts'
import type { PriorCheckOptions } from '../api-options.ts'
import type { PriorReport, SharedReport } from '../api-reports.ts'
import type { ApiEvent } from '../api-events.ts'
import { fetchBundle } from '../bundle/fetch-bundle.ts'
import { checkPrior } from '../inference/check-prior.ts'
import { DEFAULT_LIMITS } from '../inference/limits.ts'
import { loadPrior } from '../inference/load-prior.ts'
import { mergeUnlessKnown } from '../merge-swarm.ts'
import type { Runtime } from '../runtime.ts'
import { directoryCid } from '../directory-cid.ts'
import { previewPrior } from './preview-prior.ts'
import { roundOfDataset, roundOfSwarm, type Round } from './round.ts'

interface Call {
  onEvent(event: ApiEvent): void
  readonly signal: AbortSignal
}

/** `prior`: an absolute path, or the CID of a bundle. Errors as `CoOptApi.priorCheck`. */
export async function checkPriorIn(
  runtime: Runtime,
  prior: string,
  options: PriorCheckOptions,
  call: Call
): Promise<PriorReport> {
  const cid = directoryCid(prior)
  if (cid === undefined) return await checkFiles(runtime, prior, options, call)
  return await withBundle(runtime, cid, call.signal, async folder => {
    const report = await checkFiles(runtime, folder, options, call)
    const made = report.bundle?.cid
    if (made === undefined || made === cid.toString()) return report
    return {
      ...report,
      refusals: [...report.refusals, `${cid} is not laid out as bundles are: the same files make ${made}`]
    }
  })
}

// --- internal ---

/** The folder is gone after `use`. */
async function withBundle<T>(
  { content, config, home }: Runtime,
  cid: CID,
  signal: AbortSignal,
  use: (folder: string) => Promise<T>
): Promise<T> {
  const spool = join(home.root, 'spool')
  await mkdir(spool, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(spool, 'check-'))
  try {
    const maxModelBytes = config.inference.modelBytes ?? DEFAULT_LIMITS.modelBytes
    await fetchBundle(cid, folder, { content, maxModelBytes, signal })
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function checkFiles(
  runtime: Runtime,
  path: string,
  { image, output, shared }: PriorCheckOptions,
  { onEvent, signal }: Call
): Promise<PriorReport> {
  const options = { limits: runtime.config.inference, ...(output === undefined ? {} : { output }) }
  const report = await checkPrior(path, { ...options, ...(image === undefined ? {} : { image }) })
  if (shared === undefined || report.refusals.length > 0) return report
  const round = await roundOf(runtime, shared, signal)
  try {
    const prior = await loadPrior(path, options)
    try {
      const { content, config } = runtime
      const onBatch = (done: number, rows: number): void => onEvent({ type: 'scoring', done, rows })
      const preview: SharedReport = await previewPrior(round, {
        prior,
        content,
        batchSize: config.batchSize,
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

/** A UnixFS directory is a merged dataset; whatever else there is names a swarm. */
async function roundOf({ swarms, content, config }: Runtime, shared: string, signal: AbortSignal): Promise<Round> {
  const root = directoryCid(shared)
  if (root !== undefined) {
    await mergeUnlessKnown(root, swarms.all(), content)
    return await roundOfDataset(root, content, signal)
  }
  return await roundOfSwarm(await swarms.find(decodeInvite(shared), signal), config.timing.catchUpMs, signal)
}
