/** What a decoder of foreign bytes is, for the tests that throw bytes at all of them (all.ts lists them). */
import type fc from 'fast-check'

export interface Decoder {
  readonly name: string
  /** Exported functions that it goes through, as `path name`; `test/decoder-list.test.ts` finds those that no decoder has */
  readonly through: readonly string[]
  readonly good: () => Promise<Uint8Array> | Uint8Array
  /** Reads it all; `path` is a file with the bytes if it `needsFile` */
  readonly read: (bytes: Uint8Array, path: string) => unknown
  /** What made-up inputs look like */
  readonly grammar: Grammar
  /** It reads a file, or decodes in native code: a tenth of the inputs, and a second for each instead of 50 ms */
  readonly slow?: boolean
  readonly needsFile?: boolean
  /** Where every input waits for the disk */
  readonly syncs?: boolean
}

/** Well-formed outside and anything inside. `made`: inputs of its own, for example signed ones. */
export type Grammar =
  | 'cbor'
  | 'json'
  | 'protobuf'
  | 'text'
  | 'chunks'
  | { readonly made: (good: Uint8Array) => fc.Arbitrary<Uint8Array | Promise<Uint8Array>> }
