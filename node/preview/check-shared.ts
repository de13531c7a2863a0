/** `coopt prior check`, also against a swarm: what `checkPrior` says, then what the swarm would make of it. */
import { decodeInvite } from '../../src/distribute/invite.ts'
import type { PriorCheckOptions } from '../api-options.ts'
import type { PriorReport, SharedReport } from '../api-reports.ts'
import type { ApiEvent } from '../api-events.ts'
import { checkPrior } from '../inference/check-prior.ts'
import { loadPrior } from '../inference/load-prior.ts'
import type { Runtime } from '../runtime.ts'
import { directoryCid } from '../directory-cid.ts'
import { previewPrior } from './preview-prior.ts'
import { roundOfDataset, roundOfSwarm, type Round } from './round.ts'

/** Errors as `CoOptApi.priorCheck`. */
export async function checkPriorIn(
  runtime: Runtime,
  path: string,
  { image, output, shared }: PriorCheckOptions,
  { onEvent, signal }: { onEvent(event: ApiEvent): void; signal: AbortSignal }
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

// --- internal ---

/** A UnixFS directory is a merged dataset; whatever else there is names a swarm. */
async function roundOf({ swarms, content, config }: Runtime, shared: string, signal: AbortSignal): Promise<Round> {
  const root = directoryCid(shared)
  if (root !== undefined) return await roundOfDataset(root, content, signal)
  return await roundOfSwarm(await swarms.find(decodeInvite(shared), signal), config.timing.catchUpMs, signal)
}
