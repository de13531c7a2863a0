/**
 * Which images file names mean. Partitions name images by their bytes alone, so the owner of a table or label file says it: by the folder of
 * the images, or by a CSV file of names and sha256 (or CIDs). Of a folder, the files whose names occur are hashed.
 */
import { randomFillSync } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InvalidPriorError } from '../../src/errors.ts'
import { splitLine } from '../../src/optimize/csv-line.ts'
import type { NameIndex } from '../../src/optimize/name-index.ts'
import { parseSampleKey } from '../../src/optimize/sample-key.ts'
import { hashFile } from '../compute/inference/external-data.ts'
import { walkFolder } from '../image-sources/folder-walk.ts'
import { textLines } from './text-lines.ts'

/** For an index of digests or names: random, so that nobody can prepare collisions. */
export const randomMultipliers = (): Uint32Array => randomFillSync(new Uint32Array(8))

/** What was found, in words, such as "342 of its file names are files of images/, by their paths". */
export type NamesFound = string

/**
 * `found` is called for every image with the sha2-256 of its bytes and its row, and says whether they are new: copies of a file keep the first row.
 * `path` names the table for messages. Throws `InvalidPriorError` when nothing is found, or names are ambiguous.
 */
export async function resolveNames(
  path: string,
  names: NameIndex,
  images: string | undefined,
  found: (digest: Uint8Array, row: number) => boolean
): Promise<NamesFound> {
  if (images === undefined)
    throw new InvalidPriorError(
      `${path} names images by file name (such as ${JSON.stringify(names.first)}), and in a swarm they have no names, only CIDs: give the folder of the images, or a CSV file "name,sha256", with --images`
    )
  const facts = await stat(images).catch((cause: unknown) => {
    throw new InvalidPriorError(`${images}, where file names of ${path} should lead, cannot be read`, { cause })
  })
  return facts.isDirectory() ? await filesOf(path, names, images, found) : await linesOf(path, names, images, found)
}

// --- internal ---

async function filesOf(
  path: string,
  names: NameIndex,
  folder: string,
  found: (digest: Uint8Array, row: number) => boolean
): Promise<NamesFound> {
  const files: string[] = []
  for await (const { name, status } of walkFolder(folder)) if (status === 'file') files.push(name)
  files.sort()
  const byPath = (name: string) => names.ofPath(name) ?? names.ofPath(resolve(folder, name))
  const isPath = files.some(name => byPath(name) !== undefined)
  if (!isPath && names.ambiguous !== undefined && files.some(name => names.ofFile(name) !== undefined))
    throw new InvalidPriorError(
      `${path} has several files called like ${JSON.stringify(names.ambiguous)}, and its paths are none of ${folder}: give the folder that they begin in`
    )
  const rows = new Map<number, string>()
  let copies = 0
  for (const name of files) {
    const row = isPath ? byPath(name) : names.ofFile(name)
    if (row === undefined) continue
    const known = rows.get(row)
    if (known !== undefined)
      throw new InvalidPriorError(
        `${join(folder, known)} and ${join(folder, name)} both fit one key of ${path}: give the folder that its paths begin in`
      )
    rows.set(row, name)
    if (!found(await hashFile(join(folder, name)), row)) copies++
  }
  if (rows.size === 0)
    throw new InvalidPriorError(
      `no file of ${folder} is named in ${path}, where keys are such as ${JSON.stringify(names.first)}`
    )
  const same = copies === 0 ? '' : `; ${copies} are copies of others, of which the first counts`
  return `file names mean ${rows.size} files of ${folder}, by their ${isPath ? 'paths' : 'own names'}${same}`
}

async function linesOf(
  path: string,
  names: NameIndex,
  file: string,
  found: (digest: Uint8Array, row: number) => boolean
): Promise<NamesFound> {
  let number = 0
  let hits = 0
  let copies = 0
  const seen = new Set<number>()
  for await (const lines of textLines(file))
    for (const line of lines) {
      number++
      const fields = splitLine(line)
      const [name = '', key = ''] = fields ?? []
      const fail = (why: string) => new InvalidPriorError(`${file}, line ${number}: ${why}`)
      if (fields?.length !== 2) throw fail('it must have two fields, a file name and the sha256 or CID of the file')
      const { digest } = parseSampleKey(key)
      if (digest === undefined) {
        if (number === 1) continue // the header
        throw fail(`${JSON.stringify(key)} is neither a sha256 in hex nor a CID`)
      }
      const row = names.ofPath(name)
      if (row === undefined) continue
      if (seen.has(row)) throw fail(`${JSON.stringify(name)} occurs twice`)
      seen.add(row)
      hits++
      if (!found(digest, row)) copies++
    }
  if (hits === 0)
    throw new InvalidPriorError(
      `no name in ${file} is a key of ${path}, where keys are such as ${JSON.stringify(names.first)}`
    )
  const same = copies === 0 ? '' : `; ${copies} are copies of others, of which the first counts`
  return `file names mean ${hits} images by ${file}${same}`
}
