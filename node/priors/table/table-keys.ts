/** The keys of a table while it is read: of one kind, each once. */
import { InvalidPriorError } from '../../../src/errors.ts'
import { DigestIndex } from '../../../src/optimize/digest-index.ts'
import { NameIndex } from '../../../src/optimize/name-index.ts'
import { KEY_KIND_TEXT, parseSampleKey, type KeyKind, type SampleKey } from '../../../src/optimize/sample-key.ts'
import { randomMultipliers } from '../image-names.ts'

export class TableKeys {
  /** Rows by the sha2-256 of the image; empty while keys are file names. */
  readonly index = new DigestIndex(randomMultipliers())
  #names: NameIndex | undefined
  #kind: KeyKind | undefined

  get kind(): KeyKind | undefined {
    return this.#kind
  }

  get size(): number {
    return this.#names?.size ?? this.index.size
  }

  /** Throws `InvalidPriorError` for a key of another kind than the first, or one that occurred before. */
  add(file: string, key: string, row: number): void {
    const { kind, digest } = parsed(file, key)
    this.#kind ??= kind
    if (kind !== this.#kind)
      throw new InvalidPriorError(
        `${file}: ${JSON.stringify(key)} is one of ${KEY_KIND_TEXT[kind]}, the keys before it are ${KEY_KIND_TEXT[this.#kind]}`
      )
    if (digest === undefined) this.#names ??= new NameIndex(randomMultipliers())
    const isNew = digest === undefined ? this.#names?.add(key, row) : this.index.add(digest, row)
    if (isNew !== true) throw new InvalidPriorError(`${file}: the key ${JSON.stringify(key)} occurs twice`)
  }

  /** The file names; not held any longer. */
  takeNames(): NameIndex {
    const names = this.#names ?? new NameIndex(randomMultipliers())
    this.#names = undefined
    return names
  }
}

// --- internal ---

function parsed(file: string, key: string): SampleKey {
  try {
    return parseSampleKey(key)
  } catch (cause) {
    throw cause instanceof InvalidPriorError ? new InvalidPriorError(`${file}: ${cause.message}`, { cause }) : cause
  }
}
