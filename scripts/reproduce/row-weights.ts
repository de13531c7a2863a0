/**
 * Weights for the rows of a simulated dataset by the quality of their author: the leave-one-out R2 with which its prior maps onto the reference.
 */
import { readFile } from 'node:fs/promises'
import { InvalidInputError } from '../../src/errors.ts'
import { npyHeader } from '../../node/export/npy.ts'
import type { ConfigurationReport } from '../../node/lab/simulate/report.ts'

/** Least weight, so that no row is dropped completely. */
const LEAST = 0.05

/** A .npy file of float32 [rows]. `provenance`: path of NAME.provenance.csv. Throws `InvalidInputError`. */
export async function qualityWeights(provenance: string, { participants }: ConfigurationReport): Promise<Uint8Array> {
  const [header, ...lines] = (await readFile(provenance, 'utf8')).trim().split('\n')
  if (header !== 'id,participant,prior')
    throw new InvalidInputError(`${provenance}: the header is not id,participant,prior`)
  const quality = new Map(participants.map(p => [p.participant, p.looR2 ?? 0]))
  const weights = lines.map(line => Math.max(LEAST, quality.get(line.split(',')[1] ?? '') ?? 0))
  const head = npyHeader([weights.length])
  const file = new Uint8Array(head.byteLength + 4 * weights.length)
  file.set(head)
  const view = new DataView(file.buffer, head.byteLength)
  weights.forEach((weight, i) => view.setFloat32(4 * i, weight, true))
  return file
}
