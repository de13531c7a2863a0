/** What `coopt prior check` says of priors that are rows in files: tables of vectors and labels. Reports refusals by throwing. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { InvalidInputError } from '../../src/errors.ts'
import type { PriorReport } from '../api/reports.ts'
import { readLabelFile } from './human-prior.ts'
import type { TableFiles } from './table/find-table.ts'
import { openTable, type OpenTable, type TableOptions } from './table/open-table.ts'

type Found = Pick<PriorReport, 'output' | 'dimension' | 'images' | 'assumed' | 'preprocessing' | 'feature'>

/** Numbers of the vector that are shown. */
const HEAD = 8

/** `image`: its vector is shown. Throws `InvalidPriorError`, and `InvalidInputError` for an image that the table does not have. */
export async function checkTable(
  files: TableFiles,
  { image, ...options }: TableOptions & { readonly image?: string | undefined }
): Promise<Found & Pick<PriorReport, 'id' | 'bytes'>> {
  const table = await openTable(files, options)
  try {
    const { id, bytes, dimension, images, tensor, feature, assumed } = table
    return {
      id: id.toString(),
      bytes,
      output: { name: tensor, rule: feature },
      dimension,
      images,
      assumed: [...assumed],
      preprocessing: [],
      ...(image === undefined ? {} : { feature: await vectorOf(table, image) })
    }
  } finally {
    await table.close()
  }
}

/** Throws `InvalidPriorError` naming the line. */
export async function checkLabels(path: string, images: string | undefined): Promise<Found> {
  const { labels, assumed } = await readLabelFile(path, images)
  return {
    output: { name: 'label', rule: `${labels.kind === 'hard' ? 'one-hot' : 'soft'} labels of ${labels.count} samples` },
    dimension: labels.dimension,
    images: labels.count,
    ...(assumed.length === 0 ? {} : { assumed: [...assumed] }),
    preprocessing: []
  }
}

// --- internal ---

async function vectorOf(table: OpenTable, image: string): Promise<NonNullable<PriorReport['feature']>> {
  const bytes = await readFile(image).catch((cause: unknown) => {
    throw new InvalidInputError(`image ${image} cannot be read`, { cause })
  })
  const vector = new Float32Array(table.dimension)
  if (!(await table.read(createHash('sha256').update(bytes).digest(), vector)))
    throw new InvalidInputError(`the table has no vector of ${image}: none of its keys means these bytes`)
  return { norm: norm(vector), head: [...vector.subarray(0, HEAD)] }
}

const norm = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
