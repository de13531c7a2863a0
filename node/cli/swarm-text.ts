/** How peers, references and coverage of a swarm are printed; `status`, `merge` and the demo agree on it. */
import type { ChecksReport, PartitionRow } from '../api/checks.ts'
import type { JoinReport, PeerRow, ReferenceReport } from '../api/reports.ts'
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
      row.caught === true ? 'caught' : row.eligible === undefined ? undefined : row.eligible ? 'yes' : 'no',
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

/** Fields of `status`, `merge` and `join`; none in a swarm without checks. */
export function checkFields(checks: ChecksReport | undefined): (readonly [string, string | undefined])[] {
  if (checks === undefined) return []
  const { rule, confirmed, unconfirmed, disputed, contenders, scarce, caught, waiting, partitions } = checks
  const by = rule.trust === undefined ? 'other' : 'trusted peer'
  const parts = [
    `${confirmed} of ${partitions.length} by ${rule.quorum} ${by}${rule.quorum === 1 ? '' : 's'}`,
    ...(unconfirmed.length === 0 ? [] : [`${unconfirmed.length} not yet`]),
    ...(disputed.length === 0 ? [] : [`${disputed.length} disputed`]),
    ...(contenders === 0 ? [] : [`better work waits for ${contenders}`])
  ]
  return [
    ['confirmed', parts.join(', ')],
    ...waiting.map((sentence, i) => [i === 0 ? 'waiting' : '', sentence] as const),
    ['copies', scarceText(scarce)],
    ['caught', caught.length === 0 ? undefined : `${caught.map(shortId).join(', ')}: their checks count for nothing`]
  ]
}

/** How the CID of `join --once` may still change. */
export function mayChangeText(known: JoinReport['mayChange']): string | undefined {
  if (known === undefined) return undefined
  const { scoring, improving, weaker, unjudged } = known
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  const parts = [
    ...(scoring.length === 0 ? [] : [`${count(scoring.length, 'peer')} to score a prior`]),
    ...(improving.length === 0 ? [] : [`${count(improving.length, 'peer')} to improve finished work`]),
    ...(weaker === 0 ? [] : [`${count(weaker, 'partition')} of weaker priors that a stronger one may replace`]),
    ...(unjudged === 0 ? [] : [`${count(unjudged, 'score')} not judged yet`])
  ]
  return parts.length === 0
    ? 'only when a member publishes or checks more, or a better prior joins; "coopt merge" tells'
    : `yes: ${parts.join(', ')}; "coopt merge" tells later`
}

/** Rows of a table on a screen; `--json` has all partitions. */
const MAX_ROWS = 32

/** Who holds and checked each partition, those that are not confirmed first; undefined in a swarm without checks. */
export function partitionTable(checks: ChecksReport | undefined): string | undefined {
  if (checks === undefined) return undefined
  const isDone = ({ state }: PartitionRow): number => Number(state === 'confirmed')
  const rows = checks.partitions.toSorted((a, b) => isDone(a) - isDone(b) || a.partition - b.partition)
  const table = textTable(
    ['partition', 'state', 'peer', 'prior', 'held by', 'plausible to', 'implausible to', 'cannot tell', 'checked by'],
    rows
      .slice(0, MAX_ROWS)
      .map(row => [
        row.partition,
        row.state,
        row.peer === undefined ? undefined : shortId(row.peer),
        row.prior,
        row.heldBy,
        row.plausible,
        row.implausible,
        row.abstained,
        checkedBy(row)
      ])
  )
  return rows.length > MAX_ROWS ? `${table}\n(${rows.length - MAX_ROWS} more with --json)` : table
}

/** Never rounds up to 100 %: that is said only when nothing is missing. */
export function coverageText(coverage: number): string {
  return `${(Math.floor(coverage * 1000) / 10).toFixed(1)} %`
}

// --- internal ---

function scarceText(scarce: ChecksReport['scarce']): string | undefined {
  if (scarce === undefined || scarce.partitions.length === 0) return undefined
  const { min, partitions } = scarce
  const named = `${partitions.slice(0, MAX_ROWS).join(', ')}${partitions.length > MAX_ROWS ? ', …' : ''}`
  return `fewer than ${min} members hold ${partitions.length === 1 ? 'partition' : `${partitions.length} partitions:`} ${named}`
}

function checkedBy({ plausible, reruns, byHistory }: PartitionRow): string | undefined {
  const own = plausible - reruns
  const kinds = [
    ...(own === 0 ? [] : [own === 1 ? 'another prior' : `${own} other priors`]),
    ...(reruns === 0 ? [] : [reruns === 1 ? 'a rerun' : `${reruns} reruns`]),
    ...(byHistory ? ["its author's history"] : [])
  ]
  return kinds.length === 0 ? undefined : kinds.join(', ')
}

/** As text, so that a column of 1 and 0.9871 stays aligned. */
function fixed(value: number | undefined): string | undefined {
  return value?.toFixed(4)
}
