/** What a dataset card says of checks: held by how many, checked by how many and how, and what of it is not confirmed. Deterministic. */
import type { Manifest } from '../distribute/manifest.ts'
import type { Acceptance, Standing } from './confirmation.ts'
import { isLocal } from './local-view.ts'
import { PARTITIONS_FILE } from './partition-table.ts'
import type { SwarmView } from './views.ts'

/** Markdown with an empty line before and after it; empty for a view without checks. */
export function checksSection({ partitions }: Pick<Manifest, 'partitions'>, view: SwarmView): string {
  const { acceptance, chosen, unconfirmed } = view
  if (acceptance === undefined) return '\n'
  const all = [...chosen.values()].flatMap(({ standing }) => standing ?? [])
  const confirmed = all.filter(({ state }) => state === 'confirmed')
  const total = partitions.length
  return `
## Who holds and checked it

${localNotice(acceptance)}Work is confirmed when ${others(acceptance)} hold its shard and find its targets plausible for its images. Of ${total} partitions ${confirmed.length} are confirmed, ${
    unconfirmed.length === 0 ? '0 are not' : `${unconfirmed.length} are not (provisional: ${numbers(unconfirmed)})`
  }, ${total - chosen.size} are missing.

- Shards held by: ${spread(all, standing => standing.holders)}.
- Found plausible by: ${spread(all, standing => standing.plausible)}. ${checkKinds(all)}
- Objections that did not prevail: ${sum(all, standing => standing.implausible + standing.wrong)}. Members that could not tell: ${sum(all, standing => standing.abstained)}.

\`${PARTITIONS_FILE}\` has a line with these numbers for each partition. A row belongs to the line with the name of its file:

\`\`\`python
confirmed = duckdb.execute(f"""
  SELECT r.id, r.target, p.held_by, p.plausible, p.reruns
  FROM read_parquet(?, filename = true) r JOIN read_csv('{ROOT}/${PARTITIONS_FILE}') p ON parse_filename(r.filename) = p.file
  WHERE p.state = 'confirmed'""", [FILES]).fetchall()
\`\`\`

`
}

/** First lines of a card that must not be taken for that of the swarm; empty for the swarm's own. */
export function localViewNotice(acceptance: Acceptance | undefined): string {
  if (!isLocal(acceptance)) return ''
  return `> **A local view**, not the dataset of the swarm: it has only what ${others(acceptance)} confirmed. The rule is in \`local-view.json\`.

`
}

// --- internal ---

const localNotice = (acceptance: Acceptance): string =>
  isLocal(acceptance) ? 'This is a local view: other work is left out. ' : ''

function others({ quorum, voters, trusted }: Acceptance): string {
  const several = quorum > 1
  if (trusted !== undefined) {
    const peers = [...trusted].sort().map(peer => `\`${peer}\``)
    return peers.length === 1 ? `${peers[0]}` : `${quorum} of ${peers.join(', ')}`
  }
  const who =
    voters === 'priors'
      ? `${several ? 'members' : 'member'} other than its author with ${several ? 'distinct eligible priors' : 'another eligible prior'}`
      : `${several ? 'members' : 'member'} other than its author`
  return `${quorum} ${who}`
}

/** `4 members: 12 partitions; 2 members: 3 partitions` */
function spread(all: readonly Standing[], count: (standing: Standing) => number): string {
  const by = [...Map.groupBy(all, count)].sort(([a], [b]) => b - a)
  const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`
  return by.length === 0
    ? 'nobody yet'
    : by.map(([members, list]) => `${plural(members, 'other member')} (${plural(list.length, 'partition')})`).join('; ')
}

function checkKinds(all: readonly Standing[]): string {
  const reruns = sum(all, standing => standing.reruns)
  const own = sum(all, standing => standing.plausible) - reruns
  const byHistory = all.filter(standing => standing.byHistory).length
  return (
    `Of these checks ${own} compared random rows with a prior of the checker's own, ${reruns} ran the author's prior again. ` +
    `${byHistory} partitions are confirmed by the history of their author, without a check of their own.`
  )
}

function sum(all: readonly Standing[], count: (standing: Standing) => number): number {
  return all.reduce((total, standing) => total + count(standing), 0)
}

/** A card stays readable with 2,048 partitions; the table has them all. */
const MAX_NUMBERS = 32

function numbers(partitions: readonly number[]): string {
  const first = partitions.slice(0, MAX_NUMBERS).join(', ')
  return partitions.length > MAX_NUMBERS ? `${first}, …` : first
}
