/** What members found in each other's work, as the plain values of the API (api/checks.ts), and why a dataset is not complete. */
import type { Acceptance } from '../../src/merge/confirmation.ts'
import type { Choice, SwarmView } from '../../src/merge/views.ts'
import { peerIdOf } from '../../src/peer-key.ts'
import type { ChecksReport, PartitionRow } from '../api/checks.ts'
import type { ReadableState } from '../state/swarm-state.ts'
import type { Checking } from './membership.ts'

/**
 * Undefined for a view without checks. `here`: peer ids of members that are connected, and of this node; left out where no network runs.
 * `copies`: how many live holders of shards are known, where this node counts them.
 */
export function checksReport(
  { set, swarm }: Pick<ReadableState, 'set'> & { swarm: { manifest: { partitions: readonly unknown[] } } },
  view: SwarmView,
  here?: ReadonlySet<string>,
  copies?: Checking['copies']
): ChecksReport | undefined {
  const { acceptance, confirmation, chosen, unconfirmed } = view
  if (acceptance === undefined || confirmation === undefined) return undefined
  const works = [...chosen.values()]
  const counted = copies?.(works)
  const copiesOf = new Map(works.map(({ partition }, i) => [partition, counted?.of[i]]))
  const partitions = swarm.manifest.partitions.map((_, p) => partitionRow(p, view, copiesOf.get(p)))
  const authors = new Map(
    [...set.byType('score'), ...set.byType('check')].map(({ body }) => [peerIdOf(body.author), body.author] as const)
  )
  const caught = [...authors].flatMap(([peer, key]) => (confirmation.isCaught(key) ? [peer] : [])).sort()
  const able = new Set(
    [...authors].flatMap(([peer, key]) => (confirmation.hasVoice(key) && !confirmation.isCaught(key) ? [peer] : []))
  )
  return {
    rule: ruleOf(acceptance),
    confirmed: chosen.size - unconfirmed.length,
    unconfirmed: [...unconfirmed],
    disputed: partitions.filter(({ state }) => state === 'disputed').map(({ partition }) => partition),
    contenders: partitions.filter(({ contenders, state }) => contenders > (state === 'confirmed' ? 0 : 1)).length,
    ...(counted === undefined ? {} : { scarce: { min: counted.min, partitions: scarceOf(partitions, counted.min) } }),
    caught,
    waiting: waitingFor(view, partitions, able, here),
    partitions
  }
}

// --- internal ---

function ruleOf({ quorum, voters, trusted }: Acceptance): ChecksReport['rule'] {
  return { quorum, voters, ...(trusted === undefined ? {} : { trust: [...trusted].sort() }) }
}

/** What is not confirmed is looked at anyway, and who confirms it holds it. */
function scarceOf(rows: readonly PartitionRow[], min: number): number[] {
  return numbers(rows.filter(({ state, copies = 0 }) => state === 'confirmed' && copies < min))
}

function partitionRow(
  partition: number,
  { chosen, contenders, refuted }: SwarmView,
  copies: number | undefined
): PartitionRow {
  const choice = chosen.get(partition)
  const { standing } = choice ?? {}
  const state = standing?.state ?? 'missing'
  return {
    partition,
    state: state === 'refuted' ? 'missing' : state,
    ...(choice === undefined ? {} : { peer: peerIdOf(choice.result.body.author), prior: choice.score.body.prior.name }),
    heldBy: standing?.holders ?? 0,
    ...(copies === undefined ? {} : { copies }),
    wrong: standing?.wrong ?? 0,
    lost: standing?.lost ?? 0,
    plausible: standing?.plausible ?? 0,
    implausible: standing?.implausible ?? 0,
    abstained: standing?.abstained ?? 0,
    reruns: standing?.reruns ?? 0,
    byHistory: standing?.byHistory ?? false,
    contenders: contenders.get(partition)?.length ?? 0,
    refuted: refuted.get(partition)?.length ?? 0
  }
}

/** Numbers of partitions in one sentence; `--json` has them all. */
const MAX_NAMED = 8

function waitingFor(
  view: SwarmView,
  rows: readonly PartitionRow[],
  able: ReadonlySet<string>,
  here: ReadonlySet<string> | undefined
): string[] {
  const out: string[] = []
  const sentence = (
    list: readonly number[],
    what: (verb: (one: string, several: string) => string) => string
  ): void => {
    if (list.length === 0) return
    const named = `${list.slice(0, MAX_NAMED).join(', ')}${list.length > MAX_NAMED ? ', …' : ''}`
    const verb = (one: string, several: string): string => (list.length === 1 ? one : several)
    out.push(`${list.length} ${verb('partition', 'partitions')} (${named}) ${what(verb)}`)
  }
  const missing = rows.filter(({ state }) => state === 'missing')
  const isPending = ({ partition }: PartitionRow): boolean => view.pending.has(partition)
  sentence(
    numbers(missing.filter(row => !isPending(row) && row.refuted === 0)),
    verb => `${verb('has', 'have')} no targets yet`
  )
  sentence(
    numbers(missing.filter(row => !isPending(row) && row.refuted > 0)),
    verb => `${verb('has', 'have')} to be done again: the work that is there was refuted`
  )
  sentence(numbers(missing.filter(isPending)), verb => `${verb('waits', 'wait')} for an alignment to the reference`)
  const open = new Map(rows.map(row => [row.partition, row]))
  // by who could help, so that one sentence names all that wait for the same
  const groups = Map.groupBy(view.unconfirmed, p => {
    const choice = view.chosen.get(p)
    const row = open.get(p)
    return choice === undefined || row === undefined ? '' : helpFor(choice, row, view, able, here)
  })
  for (const [help, list] of groups) sentence(list, verb => `${verb('waits', 'wait')} for ${help}`)
  return out
}

/** `a check by a member with another prior: nobody else … ` */
function helpFor(
  { result, score }: Choice,
  row: PartitionRow,
  view: SwarmView,
  able: ReadonlySet<string>,
  here: ReadonlySet<string> | undefined
): string {
  const quorum = view.acceptance?.quorum ?? 1
  const author = peerIdOf(result.body.author)
  const priors = new Map(view.election.ranking.map(({ key, distinct }) => [key, distinct]))
  const own = priors.get(score.key)
  const sameAsAuthor = new Set(
    view.election.ranking.flatMap(({ author: peer, distinct }) => (own !== undefined && distinct === own ? [peer] : []))
  )
  const others = [...able].filter(peer => peer !== author && !sameAsAuthor.has(peer))
  const connected = here === undefined ? others : others.filter(peer => here.has(peer))
  const what =
    row.plausible + row.implausible >= quorum && row.heldBy < quorum
      ? 'a member that holds the shard'
      : view.acceptance?.voters === 'members' || view.acceptance?.trusted !== undefined
        ? 'a check by another member'
        : 'a check by a member with another prior'
  const objection = row.state === 'disputed' ? ', because somebody objects to the work' : ''
  const who =
    others.length === 0
      ? 'nobody else has a voice yet'
      : here === undefined
        ? `${members(others.length)} could make it`
        : connected.length === 0
          ? `nobody else with a voice is here (${members(others.length)} could make it)`
          : `${connected.length} of ${members(others.length)} that could make it ${connected.length === 1 ? 'is' : 'are'} here`
  return `${what}${objection}: ${who}`
}

const members = (n: number): string => `${n} member${n === 1 ? '' : 's'}`

const numbers = (rows: readonly PartitionRow[]): number[] => rows.map(({ partition }) => partition)
