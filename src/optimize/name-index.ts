/**
 * Rows by file name: by the name as it is written, a path mostly, and by its last part. Names are kept as hashes, so the index takes as much
 * memory as that of digests, twice.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { DigestIndex } from './digest-index.ts'

export class NameIndex {
  readonly #paths: DigestIndex
  readonly #last: DigestIndex
  /** The first two names with the same last part. */
  ambiguous: string | undefined
  /** For messages. */
  first: string | undefined

  /** `multipliers` as for `DigestIndex`. */
  constructor(multipliers: Uint32Array) {
    this.#paths = new DigestIndex(multipliers)
    this.#last = new DigestIndex(multipliers)
  }

  get size(): number {
    return this.#paths.size
  }

  /** False, and nothing changes, when the name is known. */
  add(name: string, row: number): boolean {
    const path = normalised(name)
    if (!this.#paths.add(hash(path), row)) return false
    this.first ??= name
    if (!this.#last.add(hash(lastPart(path)), row)) this.ambiguous ??= name
    return true
  }

  /** The row of a path as it was written. */
  ofPath(path: string): number | undefined {
    return this.#paths.get(hash(normalised(path)))
  }

  /** The row of a file by its own name, with its ending or without. */
  ofFile(path: string): number | undefined {
    const name = lastPart(normalised(path))
    return this.#last.get(hash(name)) ?? this.#last.get(hash(name.replace(/\.[^.]+$/, '')))
  }
}

// --- internal ---

const hash = (text: string): Uint8Array => sha256(new TextEncoder().encode(text))

/** As on POSIX, without a leading "./" or "file://". */
function normalised(name: string): string {
  return name
    .replaceAll('\\', '/')
    .replace(/^file:\/\//, '')
    .replace(/^(\.\/)+/, '')
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
