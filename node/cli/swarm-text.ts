/** How peers, references and coverage of a swarm are printed; `status`, `merge` and the demo agree on it. */
import type { PeerRow, ReferenceReport } from '../api/reports.ts'
import { fieldLines, shortId, textTable } from './text-table.ts'

/** A row per prior. Reasons of refusals follow below the table, since they are sentences. */
export function peerTable(peers: readonly PeerRow[]): string {
  const refused = peers.flatMap(({ peer, prior, refusals }) =>
    refusals.length === 0 ? [] : [[`${shortId(peer)} is refused`, `${prior}: ${refusals.join('; ')}`] as const]
  )
  const table = textTable(
    ['peer', 'prior', 'uniform', 'eligible', 'loo R2', 'loo cosine', 'partitions'],
    peers.map(row => [
      shortId(row.peer),
      row.prior,
      fixed(row.uniformValue),
      row.eligible === undefined ? undefined : row.eligible ? 'yes' : 'no',
      fixed(row.looR2),
      fixed(row.looCosine),
      row.partitions
    ])
  )
  return refused.length === 0 ? table : `${table}\n\n${fieldLines(refused)}`
}

export function referenceText(reference: Omit<ReferenceReport, 'cid'> | undefined): string | undefined {
  if (reference === undefined) return undefined
  const { prior, peer, uniformValue } = reference
  return [
    peer === undefined ? prior : `${prior} of ${shortId(peer)}`,
    ...(uniformValue === undefined ? [] : [`uniform value ${uniformValue.toFixed(4)}`])
  ].join(', ')
}

/** Never rounds up to 100 %: that is said only when nothing is missing. */
export function coverageText(coverage: number): string {
  return `${(Math.floor(coverage * 1000) / 10).toFixed(1)} %`
}

// --- internal ---

/** As text, so that a column of 1 and 0.9871 stays aligned. */
function fixed(value: number | undefined): string | undefined {
  return value?.toFixed(4)
}
