/** What this node looks at next in the work of others, for whatever reason: work that is not confirmed, shards that too few hold, confirmed work once more. */
import { dueAudits, type AuditSituation } from './due-audits.ts'
import { dueChecks, type DueCheck } from './due-checks.ts'
import { dueCopies, type CopySituation } from './due-copies.ts'
import { wordsOf } from './words.ts'

export interface WorkSituation extends AuditSituation, CopySituation {}

/** The most urgent first, each piece of work once: a look with an opinion makes a copy as well. */
export function dueWork(s: WorkSituation): DueCheck[] {
  if (s.view.confirmation === undefined) return []
  const words = wordsOf(s.set)
  const audits = dueAudits(s, words)
  const audited = new Set(audits.map(({ work }) => work.alignment.key))
  const copies = dueCopies(s, words).filter(({ work }) => !audited.has(work.alignment.key))
  return [...dueChecks(s, words), ...copies, ...audits]
}
