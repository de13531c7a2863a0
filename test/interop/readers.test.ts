/** A dataset that two real nodes made, read by the programs that people have: from disk, and from the node's gateway. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { gatewayOf } from '../../node/gateway/open-gateway.ts'
import type { Gateway } from '../../node/gateway/gateway.ts'
import { bundledPrior, closeShared, IMAGES, PARTITIONS, pictures, shared, startNode } from '../helpers/test-node.ts'
import { python, readOurselves, readWith, SCRIPTS, type Seen } from './python.ts'
import { countRanges, type RangeCounter } from './range-counter.ts'

const DIMENSION = 80
const READERS = ['pyarrow', 'pandas', 'polars', 'duckdb', 'datasets', 'datasets-streaming'] as const
const TYPES = {
  float32: {
    pyarrow: `fixed_size_list<element: float>[${DIMENSION}]`,
    pandas: 'float32',
    polars: `Array(Float32, shape=(${DIMENSION},))`,
    duckdb: 'FLOAT[]',
    datasets: `List(Value('float32'), length=${DIMENSION})`
  },
  float16: {
    pyarrow: `fixed_size_list<element: halffloat>[${DIMENSION}]`,
    pandas: 'float16',
    polars: `Array(Float16, shape=(${DIMENSION},))`,
    duckdb: 'FLOAT[]',
    datasets: `List(Value('float16'), length=${DIMENSION})`
  }
} as const

describe.skipIf(inject('python') === '').each(['float32', 'float16'] as const)('a merged dataset of %s', dtype => {
  let work: string
  let folder: string
  let files: string[]
  let gateway: Gateway | undefined
  let counter: RangeCounter
  let root: string
  let expected: Awaited<ReturnType<typeof readOurselves>>
  let merged: { mergedCid: string; manifest: string }
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'coopt-interop-'))
    folder = join(work, 'dataset')
    merged = await shared(async () => {
      const [publisher, participant] = await Promise.all([startNode(), startNode()])
      const { invite, manifest } = await publisher.publish(await pictures(), {
        dimension: DIMENSION,
        targetDtype: dtype
      })
      await participant.join(invite, bundledPrior('resnet20'), { license: 'Apache-2.0' })
      const { mergedCid } = await participant.node.merge(invite, { out: folder })
      gateway = await gatewayOf(participant.runtime, {})
      return { mergedCid, manifest }
    })
    const names = (await readdir(join(folder, 'data'))).sort()
    files = names.map(name => join(folder, 'data', name))
    counter = await countRanges(gateway?.url ?? '')
    root = `${counter.url}/ipfs/${merged.mergedCid}`
    expected = await readOurselves(files, DIMENSION, dtype)
  })
  afterAll(async () => {
    await counter.close()
    await gateway?.close()
    await closeShared()
    await rm(work, { recursive: true, force: true })
  })

  const check = (seen: Seen): void => {
    expect(seen.rows).toMatchObject(expected)
    expect(seen.rows).toHaveLength(IMAGES)
    expect(new Set(seen.rows.map(({ weight }) => weight)).size).toBeGreaterThan(IMAGES / 4)
    expect(seen.rows[0]?.path).toMatch(/^00000000\.(jpg|png|webp)$/)
  }

  test.each(READERS)('is read from disk by %s, bit for bit', async reader => {
    const seen = await readWith(reader, files, work)
    check(seen)
    if (reader === 'datasets' || reader === 'datasets-streaming')
      expect(seen).toMatchObject({
        features: { id: "Value('string')", target: TYPES[dtype].datasets, weight: "Value('float32')" },
        pixels: [expect.any(Number), expect.any(Number)]
      })
    else expect(seen.type).toBe(TYPES[dtype][reader])
    if (reader === 'pyarrow') {
      for (const [partition, metadata] of (seen.metadata ?? []).entries())
        expect(metadata).toMatchObject({ 'coopt.swarm': merged.manifest, 'coopt.partition': `${partition}` })
      expect(seen.metadata).toHaveLength(PARTITIONS)
      expect(Object.keys(seen.metadata?.[0] ?? {}).sort()).toEqual(
        ['coopt.partition', 'coopt.prior', 'coopt.reference', 'coopt.swarm', 'coopt.trust'].sort()
      )
    }
  })

  test.each(READERS)('is read over HTTP by %s, bit for bit', async reader => {
    const before = counter.ranges()
    check(await readWith(reader, await urls(), work))
    // pandas fetches a file as a whole, datasets a copy for its cache; the others take the footer and what they need
    expect(counter.ranges() > before).toBe(!['pandas', 'datasets'].includes(reader))
  })

  test('is a directory that datasets opens by its card', async () => {
    const seen = await readWith('datasets-directory', [folder], work)
    check(seen)
    expect(seen.features).toMatchObject({
      image: 'Image(mode=None, decode=False)',
      target: TYPES[dtype].datasets,
      weight: "Value('float32')"
    })
  })

  test('has a croissant.json that mlcroissant accepts and reads the rows by', async () => {
    const code = `
import json, sys, mlcroissant as mlc, numpy as np
dataset = mlc.Dataset(sys.argv[1])
rows = [(r["default/id"], len(r["default/target"]), r["default/weight"]) for r in dataset.records("default")]
print(json.dumps({
    "errors": sorted(dataset.metadata.ctx.issues.errors), "warnings": sorted(dataset.metadata.ctx.issues.warnings),
    "rows": [[i.decode() if isinstance(i, bytes) else i, n, np.float32(w).tobytes().hex()] for i, n, w in rows], "name": str(dataset.metadata.name)}))
`
    const output = await python(work, ['-c', code, join(folder, 'croissant.json')])
    const seen = JSON.parse(output.trim().split('\n').at(-1) ?? '') as {
      errors: string[]
      warnings: string[]
      rows: Array<[string, number, string]>
    }
    expect(seen.errors).toEqual([])
    // a content-addressed directory has no date, and its version is its CID (src/merge/croissant.ts)
    expect(seen.warnings.map(w => /"(.*?)"/.exec(w.replace(/^.*property/, ''))?.[1])).toEqual([
      'https://schema.org/datePublished',
      'https://schema.org/version'
    ])
    expect(seen.rows).toEqual(expected.map(({ id, weight }) => [id, DIMENSION, weight]))
  })

  test('has a card whose Python loads the dataset from a gateway as it stands', async () => {
    const card = await readFile(join(folder, 'README.md'), 'utf8')
    const code = /```python\n([\s\S]*?)```/.exec(card)?.[1] ?? ''
    const program = code
      .replace(/ROOT = ".*"/, `ROOT = ${JSON.stringify(root)}`)
      // DuckDB's extension comes from the package index here, as the tests have no other network
      .replace('import duckdb', 'import duckdb, duckdb_extensions; duckdb_extensions.import_extension("httpfs")')
    expect(program).toContain(root)
    const output = await python(work, ['-c', `${program}\nprint(len(list(train)), table.num_rows, rows)`])
    expect(output.trim()).toBe(`${IMAGES} ${IMAGES / PARTITIONS} [(${IMAGES}, ${IMAGES})]`)
  })

  test.skipIf(dtype === 'float16' || !inject('train'))(
    'is what scripts/examples/train.py trains on, from a directory and from a gateway',
    async () => {
      const outputs = []
      for (const source of [folder, root]) {
        const out = join(work, 'student.pt')
        const args = [source, '--epochs', '3', '--batch', '16', '--out', out]
        const output = await python(work, [join(SCRIPTS, 'examples', 'train.py'), ...args])
        expect(output).toContain(`${IMAGES} images, targets of ${DIMENSION} dimensions`)
        const cosines = [...output.matchAll(/held-out cosine (-?[\d.]+)/g)].map(([, cosine]) => Number(cosine))
        expect(cosines).toHaveLength(3)
        expect(cosines.at(-1)).toBeGreaterThan(0.3)
        expect((await stat(out)).size).toBeGreaterThan(10_000)
        await rm(out)
        outputs.push(cosines)
      }
      expect(outputs[1]).toEqual(outputs[0])
      const script = join(SCRIPTS, 'examples', 'train.py')
      const alike = await python(work, [
        script,
        folder,
        '--no-weight',
        '--epochs',
        '1',
        '--out',
        join(work, 'alike.pt')
      ])
      expect(alike).toContain('the mean weight is 1.000')
    }
  )

  async function urls(): Promise<string[]> {
    return (await readdir(join(folder, 'data'))).sort().map(name => `${root}/data/${name}`)
  }
})
