/**
 * How many images to share: m, chosen from the dataset where the publisher does not say.
 *
 * Alignment gets better with every shared row, on diverse images up to 10,000 and beyond, while every participant runs its prior on all of S before it
 * can do anything else. So S is as large as one partition, the unit of work, but has enough rows to judge and to align: scoring a prior then costs
 * about as much as one partition more. V, gate, election and fit of 10,000 rows take seconds (RESULTS.md: "What a large shared set costs").
 */
import { MAX_MATRIX_BYTES } from './manifest.ts'

/** On ImageNet photos the gate accepts every honest prior tried with 1,000 rows, at n = 256, and with 300 nearly every one (RESULTS.md). */
const LEAST = 1000
/** Leave-one-out figures are unstable where m is near n (double descent of least squares; ridge dampens it). */
const ROWS_PER_DIMENSION = 2
/** Beyond it a consensus of 64 priors, half a gigabyte of targets, no longer fits into the memory of small machines. */
const MOST = 10_000
/** Below it the gate refuses some honest priors, which it tells how many rows they need. */
export const FEW_ROWS = 300

export interface SharedSizeInit {
  /** Of the dataset */
  readonly samples: number
  readonly partitions: number
  /** n */
  readonly dimension: number
  /** Of the reference prior's features */
  readonly featureDimension: number
}

export interface SharedSize {
  /** m */
  readonly rows: number
  /** Why so many, after "because" */
  readonly reason: string
}

/** m for a dataset; never more than its samples or than a matrix may have bytes. */
export function sharedSize({ samples, partitions, dimension, featureDimension }: SharedSizeInit): SharedSize {
  const partition = Math.ceil(samples / partitions)
  const wanted = [
    { rows: LEAST, reason: `${LEAST} are enough to judge and align most priors` },
    { rows: ROWS_PER_DIMENSION * dimension, reason: `${dimension} dimensions need ${ROWS_PER_DIMENSION} rows each` },
    { rows: partition, reason: 'a prior is scored with the work of one partition' }
  ].reduce((most, one) => (one.rows > most.rows ? one : most))
  const fits = Math.floor(MAX_MATRIX_BYTES / (4 * Math.max(dimension, featureDimension)))
  return [
    { rows: samples, reason: 'the dataset has no more' },
    { rows: fits, reason: `a matrix may have ${MAX_MATRIX_BYTES} bytes` },
    { rows: MOST, reason: `${MOST} are as many as is useful` }
  ].reduce((least, limit) => (limit.rows < least.rows ? limit : least), wanted)
}
