/** Folders and files from public bug reports, which lie beside the checkout and are not part of it. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSource, type SourceOptions } from '../../../node/image-sources/source.ts'

const CASES = resolve('../shared/cases')
const hasCases = existsSync(CASES)
if (!hasCases) process.stderr.write('skipped: ../shared/cases is missing; inputs from bug reports are not tried\n')

let spool: string
beforeAll(async () => {
  spool = await mkdtemp(join(tmpdir(), 'coopt-cases-'))
})
afterAll(async () => await rm(spool, { recursive: true, force: true }))

async function outcome(
  path: string,
  options: Partial<SourceOptions> = {}
): Promise<{ count: number; leftOut: Record<string, number> }> {
  const source = await openSource(path, { spool, ...options })
  await source.close()
  return {
    count: source.count,
    leftOut: Object.fromEntries(source.leftOut.map(({ reason, count }) => [reason, count]))
  }
}
const skipBad = { onBroken: () => undefined }

describe.skipIf(!hasCases)('inputs from bug reports', () => {
  it.each<[string, Partial<SourceOptions>, number, Record<string, number>]>([
    ['appledouble_folder', {}, 24, { hidden: 24 }],
    ['hidden_folders', {}, 8, { hidden: 16 }],
    ['img2dataset_folder', {}, 24, { metadata: 1, other: 1 }],
    ['nested_tar/ILSVRC2012_img_train.tar', {}, 24, {}],
    ['spark_empty_part', {}, 24, {}],
    ['truncated_shard', skipBad, 24, { broken: 1 }],
    ['archives_beside_tar', skipBad, 48, { broken: 1 }],
    ['archives_beside_tar', { only: 'tar' }, 48, { kind: 1 }],
    ['hf_repo_with_pictures', { only: 'parquet' }, 24, { other: 1, kind: 1 }],
    ['parquet_codecs/brotli.parquet', {}, 24, {}],
    ['parquet_codecs/gzip.parquet', {}, 24, {}],
    ['parquet_codecs/lz4.parquet', {}, 24, {}],
    ['parquet_codecs/polars_default.parquet', {}, 24, {}],
    ['parquet_codecs/zstd.parquet', {}, 24, {}],
    ['parquet_shapes/list_struct.parquet', {}, 24, {}],
    ['parquet_shapes/spark_data.parquet', {}, 24, {}],
    ['parquet_shapes/two_columns.parquet', { column: 'image_right' }, 24, {}]
  ])('%s with %o gives its images and counts the rest', async (name, options, count, leftOut) => {
    const found = await outcome(join(CASES, name), options)
    // each case explains itself in a text beside its files
    const { other = 0, ...rest } = found.leftOut
    const others = existsSync(join(CASES, name, 'README.txt')) ? other - 1 : other
    expect({ count: found.count, leftOut: others === 0 ? rest : { ...rest, other: others } }).toEqual({
      count,
      leftOut
    })
  })

  it.each([
    ['truncated_shard', /1\.tar: cannot be read as a tar: Unexpected end of data/],
    ['archives_beside_tar', /shard-2\.zip: cannot be read: it is a zip archive: unpack it/],
    ['hf_repo_with_pictures', /1 image file \(assets\/banner\.png\), 1 Parquet file .*--only images or --only parquet/],
    ['parquet_shapes/lfs.parquet', /Git LFS pointer and not the file itself: run "git lfs pull"/],
    ['parquet_shapes/path_only.parquet', /the column image has no bytes in any of 24 rows, only paths/],
    ['parquet_shapes/two_columns.parquet', /image_left, image_right .*--column image_left/]
  ])('%s is refused with a reason and a remedy', async (name, message) => {
    await expect(outcome(join(CASES, name))).rejects.toThrow(message)
  })

  it('links that Git checked out as text are named, with what to do', async () => {
    await expect(outcome(join(CASES, 'symlinked_classes', 'dataset'))).rejects.toThrow(
      /2 links that Git checked out as text files: run "git config core.symlinks true" .*\(([ab], [ab])\)/
    )
  })

  it('classes that are links to folders are followed', async () => {
    const folder = join(spool, 'linked')
    await mkdir(folder)
    for (const name of ['a', 'b']) await symlink(join(CASES, 'symlinked_classes', 'real', name), join(folder, name))
    expect(await outcome(folder)).toEqual({ count: 24, leftOut: {} })
  })
})
