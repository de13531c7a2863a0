/** How reliable somebody was so far: outcomes in a row, the latest backwards, as BOINC counts them (Anderson, "BOINC", 2020, adaptive replication). */
import { compareBytes } from '../codec.ts'

/** What others say of one thing that an author published: it holds, it does not, or nothing yet. */
export interface Outcome {
  /** The author's sequence number, and the record's id where two have the same */
  readonly seq: number
  readonly id: Uint8Array
  readonly state: 'good' | 'bad' | 'open'
}

export interface TrackRecord {
  /** Good ones after the last bad one; open ones neither count nor end it */
  readonly run: number
  /** Sequence number of the last bad one, -1 without */
  readonly lastBad: number
}

/** A total order of the outcomes, so the same set has the same record in any order. */
export function trackRecord(outcomes: readonly Outcome[]): TrackRecord {
  let run = 0
  for (const { seq, state } of outcomes.toSorted((a, b) => b.seq - a.seq || compareBytes(b.id, a.id))) {
    if (state === 'bad') return { run, lastBad: seq }
    if (state === 'good') run++
  }
  return { run, lastBad: -1 }
}
