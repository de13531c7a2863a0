/**
 * partitions.csv of a merged dataset: by partition, whose work it is, who holds it and who checked it. Deterministic, RFC 4180 with LF.
 *
 * A row of a shard belongs to the line with the shard's file name (and partition number, which is in the shard's key-value metadata).
 */
import type { Swarm } from '../distribute/manifest.ts'
import { peerIdOf } from '../peer-key.ts'
import { shardName } from './shard-name.ts'
import type { SwarmView } from './views.ts'

export const PARTITIONS_FILE = 'partitions.csv'

/** Columns in their order: name, Croissant type, meaning. */
export const PARTITION_COLUMNS = [
  ['partition', 'sc:Integer', 'number of the partition, from 0'],
  ['file', 'sc:Text', 'name of its shard in data/; empty for a partition that is missing'],
  ['rows', 'sc:Integer', 'rows of the partition'],
  ['targets', 'sc:Integer', 'rows that have a target'],
  ['author', 'sc:Text', 'peer that computed the targets'],
  ['prior', 'sc:Text', "name of the author's prior"],
  ['score', 'sc:Text', "record id of the prior's score in records.car"],
  ['state', 'sc:Text', 'confirmed, open (not confirmed, nobody objects), disputed (somebody objects) or missing'],
  ['held_by', 'sc:Integer', 'other members that hold the shard and found its form sound'],
  ['wrong', 'sc:Integer', 'members that found its form wrong'],
  ['lost', 'sc:Integer', 'members that could not fetch it'],
  ['plausible', 'sc:Integer', 'members that found its targets plausible'],
  ['implausible', 'sc:Integer', 'members that found them implausible'],
  ['abstained', 'sc:Integer', 'members whose priors cannot tell'],
  ['reruns', 'sc:Integer', "of the plausible: by running the author's prior again, the others by a prior of their own"],
  ['by_history', 'sc:Boolean', "confirmed because the author's earlier work was found plausible"]
] as const

/** One line for each partition, missing ones included. */
export function partitionTable({ manifest }: Swarm, { chosen }: Pick<SwarmView, 'chosen'>): string {
  const lines = manifest.partitions.map(({ rows }, partition) => {
    const choice = chosen.get(partition)
    const { standing } = choice ?? {}
    const cells =
      choice === undefined || standing === undefined
        ? [partition, '', rows, 0, '', '', '', 'missing', 0, 0, 0, 0, 0, 0, 0, false]
        : [
            partition,
            shardName(partition, manifest.partitions.length),
            rows,
            choice.result.body.present,
            peerIdOf(choice.result.body.author),
            text(choice.score.body.prior.name),
            choice.score.key,
            standing.state,
            standing.holders,
            standing.wrong,
            standing.lost,
            standing.plausible,
            standing.implausible,
            standing.abstained,
            standing.reruns,
            standing.byHistory
          ]
    return cells.join(',')
  })
  return `${[PARTITION_COLUMNS.map(([name]) => name).join(','), ...lines].join('\n')}\n`
}

// --- internal ---

/** Names come from strangers: always quoted, and never a formula in a spreadsheet. */
function text(name: string): string {
  return `"${(/^[=+\-@]/.test(name) ? `'${name}` : name).replaceAll('"', '""')}"`
}
