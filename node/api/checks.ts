/** What members found in each other's work, as schemas of plain values: parts of the reports in reports.ts. */
import { z } from 'zod'

const count = z.number().int().nonnegative()

/** The rule by which work is confirmed: the manifest's, or that of a local view. */
const ruleSchema = z.object({
  /** Members other than its author that must hold a shard and find its targets plausible */
  quorum: count,
  /** Who counts: each distinct eligible prior once, or each listed member */
  voters: z.enum(['priors', 'members']),
  /** Of a local view: peers whose checks count alone */
  trust: z.array(z.string()).optional()
})

/** One partition. All counts but `copies` are of members other than the author. */
export const partitionRowSchema = z.object({
  partition: count,
  /** `open`: not confirmed, and nobody objects. `disputed`: somebody objects. `missing`: nobody did it yet, or its work was refuted. */
  state: z.enum(['confirmed', 'open', 'disputed', 'missing']),
  /** Whose targets they are, and by which prior; left out while it is missing */
  peer: z.string().optional(),
  prior: z.string().optional(),
  /** Hold the shard and found its form sound, found it wrong, could not fetch it */
  heldBy: count,
  /** Members that are known to hold the shard and are not gone for long, its author included; left out where no network runs */
  copies: count.optional(),
  wrong: count,
  lost: count,
  /** Find the targets plausible, find them implausible, cannot tell */
  plausible: count,
  implausible: count,
  abstained: count,
  /** Of the plausible: ran the author's prior again; the others compared with a prior of their own */
  reruns: count,
  /** Confirmed by its author's history, without an opinion on it */
  byHistory: z.boolean(),
  /** Other work of this partition that would take precedence if it were confirmed */
  contenders: count,
  /** Work of this partition that does not count because members refuted it */
  refuted: count
})

/** Left out in swarms whose manifest asks for no checks. */
export const checksReportSchema = z.object({
  rule: ruleSchema,
  /** Partitions whose chosen work is confirmed, is not, or is not and somebody objects; the last two, by number */
  confirmed: count,
  unconfirmed: z.array(count),
  disputed: z.array(count),
  /** Partitions for which other work waits that would take precedence */
  contenders: count,
  /** Confirmed partitions whose shard fewer members hold than this node's `replicas.min`; left out where no network runs */
  scarce: z.object({ min: count, partitions: z.array(count) }).optional(),
  /** Peers that stood against clear majorities: they count for nothing until they stand with them again */
  caught: z.array(z.string()),
  /** Why the dataset is not complete, a sentence each; empty when it is */
  waiting: z.array(z.string()),
  /** All partitions, ascending */
  partitions: z.array(partitionRowSchema)
})

/** Verdicts of checks in a merged dataset, computed again from public bytes. */
export const verdictsReportSchema = z.object({
  /** Opinions that count, and how many of them were computed again or could not be for lack of content */
  total: count,
  recomputed: count,
  unavailable: count,
  /** Of the recomputed: another verdict came out */
  contradicting: count
})

export type PartitionRow = z.infer<typeof partitionRowSchema>
export type ChecksReport = z.infer<typeof checksReportSchema>
export type VerdictsReport = z.infer<typeof verdictsReportSchema>
