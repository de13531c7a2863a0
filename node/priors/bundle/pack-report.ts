/** What `coopt prior pack` is asked with and answers, without what it needs to do it. */
import type { InferenceLimits } from '../../compute/inference/limits.ts'

export interface PackOptions {
  /** Absolute: a new file that ends in `.car`, or a folder that does not exist or is empty */
  readonly out: string
  readonly name?: string
  /** SPDX expression, or other words */
  readonly license?: string
  readonly output?: string
  /** Absolute path of a folder, tar or Parquet file to take golden images from; synthetic ones by default */
  readonly images?: string
  readonly limits?: Partial<InferenceLimits>
}

export interface PackReport {
  /** Of the directory */
  readonly cid: string
  readonly name: string
  /** `priorIdentity`: what a score record names */
  readonly prior: string
  readonly license?: string
  /** Of all blocks */
  readonly bytes: number
  readonly out: string
}
