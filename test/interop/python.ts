/** Calls of the Python side. Caches and settings of the programs go into a folder of the test, none of them reaches beyond this machine. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'
import { isAbsentRow } from '../../src/bytes.ts'
import type { ByteRanges } from '../../src/distribute/parquet-footer.ts'
import { readSamples } from '../../src/distribute/partition-file.ts'
import { row } from '../../src/matrix.ts'
import { readTargets } from '../../src/publish/shard-rows.ts'
import type { TargetDtype } from '../../src/publish/target-dtype.ts'

const run = promisify(execFile)

/** No test here takes longer on a slow machine, and every program is ended then. */
const LIMIT_MS = 240_000

export const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts')

export interface SeenRow {
  id: string
  /** sha256 of the bytes, hex */
  image: string
  path: string
  /** Little-endian float32, hex */
  target: string | null
  /** Little-endian float32, hex */
  weight: string
}

export interface Seen {
  /** Type of the target column in the program's own words */
  type: string
  rows: SeenRow[]
  /** Of `datasets` */
  features?: Record<string, string>
  /** Width and height of the first image, decoded by `datasets` */
  pixels?: [number, number] | null
  /** coopt.* of each file, of pyarrow */
  metadata?: Array<Record<string, string>>
}

/** Standard output of a script in the environment. */
export async function python(
  cache: string,
  args: readonly string[],
  interpreter: string = inject('python')
): Promise<string> {
  const { PATH = '' } = process.env
  const { stdout } = await run(interpreter, args, {
    env: { PATH, HOME: cache, HF_HOME: cache, HF_HUB_DISABLE_TELEMETRY: '1', PYTHONWARNINGS: 'ignore' },
    maxBuffer: 1024 * 1024 * 1024,
    timeout: LIMIT_MS
  })
  return stdout
}

/** What `reader` of scripts/interop/read_shards.py sees in these files, one after the other. */
export async function readWith(reader: string, sources: readonly string[], cache: string): Promise<Seen> {
  return JSON.parse(await python(cache, [join(SCRIPTS, 'interop', 'read_shards.py'), reader, ...sources])) as Seen
}

/** The same by our own readers. `path` is not read by these: it is the row's number and kind, checked elsewhere. */
export async function readOurselves(
  files: readonly string[],
  columns: number,
  dtype: TargetDtype
): Promise<Array<Omit<SeenRow, 'path'>>> {
  const rows: Array<Omit<SeenRow, 'path'>> = []
  for (const path of files) {
    const bytes = new Uint8Array(await readFile(path))
    const file: ByteRanges = { byteLength: bytes.byteLength, slice: async (a, b) => bytes.subarray(a, b) }
    const found: Array<Pick<SeenRow, 'target' | 'weight'>> = []
    for await (const part of readTargets(file, columns, dtype))
      for (let i = 0; i < part.targets.rows; i++) {
        const values = row(part.targets, i).slice()
        found.push({ target: isAbsentRow(values) ? null : hex(values), weight: hex(part.weights?.slice(i, i + 1)) })
      }
    for await (const { id, index, bytes } of readSamples(file)) {
      const image = createHash('sha256').update(bytes).digest('hex')
      const numbers = found[index]
      if (numbers === undefined) throw new Error(`${basename(path)} has more images than targets`)
      rows.push({ id, image, ...numbers })
    }
  }
  return rows
}

/** Little-endian bytes; those of nothing are none. */
export function hex(values: Float32Array = new Float32Array(0)): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex')
}
