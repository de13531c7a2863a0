/** Decoders of files: models and their settings, tables, labels, archives of images, and what a node keeps in its home. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { readApiFile } from '../../../node/api/http/api-file.ts'
import { readLabels } from '../../../node/evaluate/label-file.ts'
import { readArchive, writeArchive } from '../../../node/home/archive/archive-file.ts'
import { parseArchiveName } from '../../../node/home/archive/archived-files.ts'
import { loadConfig, parseConfig } from '../../../node/home/config.ts'
import { readHolder } from '../../../node/home/holder.ts'
import { parseIdentity } from '../../../node/home/identity.ts'
import { readHomeVersion } from '../../../node/home/version.ts'
import { sourceCandidates } from '../../../node/image-sources/source-candidates.ts'
import { readResults } from '../../../node/lab/report/results-file.ts'
import { parsePlan, readPlan } from '../../../node/lab/simulate/plan.ts'
import { readSwarmKey } from '../../../node/network/swarm-key.ts'
import { readConfig } from '../../../node/priors/find-config.ts'
import { readLabelFile } from '../../../node/priors/human-prior.ts'
import { openKeyFile } from '../../../node/priors/table/key-file.ts'
import { openParquet } from '../../../node/priors/table/parquet-file.ts'
import { openVectors } from '../../../node/priors/table/vector-source.ts'
import { scanFrames } from '../../../node/store/frames.ts'
import { openProgress } from '../../../node/store/progress-journal.ts'
import { openRecordLog, parseRecords, readRecords } from '../../../node/store/record-log.ts'
import { openSequence } from '../../../node/store/sequence.ts'
import { rawCid } from '../../../src/codec.ts'
import { parseLabels } from '../../../src/optimize/labels.ts'
import { parseNpy } from '../../../src/optimize/npy-header.ts'
import { readModel } from '../../../src/optimize/onnx-reader.ts'
import { scanModel } from '../../../src/optimize/onnx-model.ts'
import { parsePreprocessor } from '../../../src/optimize/preprocess.ts'
import { parseSampleKey } from '../../../src/optimize/sample-key.ts'
import { safetensorsTextBytes } from '../../../src/optimize/safetensors-header.ts'
import { bundleFactsSchema, parseBundleJson } from '../../../src/publish/bundle.ts'
import { arrowBytes, rawTar, writeParquet } from '../../node/image-sources/archives.ts'
import { all, fakeImage } from '../../src/distribute/samples.ts'
import { classifier } from '../onnx.ts'
import { testKey, testRecord, testSwarm } from '../signed-swarm.ts'
import { cids, npy, parquet as table, safetensors, strings, vectors } from '../vector-tables.ts'
import type { Decoder } from './decoder.ts'

const images = Array.from({ length: 12 }, (_, i) => fakeImage(i % 5, 60))
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const json = (value: unknown): (() => Uint8Array) => {
  return () => text(JSON.stringify(value))
}
const swarm = await testSwarm()
const record = await testRecord(swarm, testKey(1), 0)
const tarOf = (): Uint8Array =>
  rawTar([
    ...images.map((bytes, i) => ({ name: `${i}.jpg`, bytes, magic: 'ustar\x0000' })),
    { name: 'l.jpg', type: '1', linkname: '3.jpg', magic: 'ustar\x0000' }
  ])
const source = async (_: Uint8Array, path: string): Promise<unknown> => await all(sourceCandidates([path], {}))
const file = { grammar: 'chunks', slow: true, needsFile: true } as const
const IMAGE_INPUT = {
  name: 'image',
  layout: 'nchw',
  channels: 3,
  elementType: 'float32',
  height: 4,
  width: 4,
  batch: undefined
} as const

/** JSON or nothing: what reads a value of JSON is asked only where there is one. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes))
  } catch {
    return undefined
  }
}

/** The file under another name, for readers that go by it. */
async function named(path: string, name: string): Promise<string> {
  const other = join(dirname(path), name)
  await writeFile(other, await readFile(path))
  return other
}

/** `root`: a folder for good files. */
export function files(root: string): readonly Decoder[] {
  const parquet =
    (shape: Parameters<typeof writeParquet>[2]): (() => Promise<Uint8Array>) =>
    async () =>
      await readFile(await writeParquet(join(root, 'good.parquet'), images, { rowGroupSize: 5, ...shape }))
  const logOf = async (): Promise<Uint8Array> => {
    const path = join(root, 'good.log')
    const log = await openRecordLog(path)
    await log.append(record.bytes, { sync: true })
    await log.close()
    return await readFile(path)
  }
  return [
    { name: 'Parquet, structs, Snappy', through: [], good: parquet({ codec: 'SNAPPY' }), read: source, ...file },
    {
      name: 'Parquet, lists, Zstandard',
      through: ['node/image-sources/parquet-rows.ts readRows'],
      good: parquet({ codec: 'ZSTD', layout: 'list' }),
      read: source,
      ...file
    },
    {
      name: 'Parquet, binary, LZ4',
      through: [],
      good: parquet({ codec: 'LZ4', layout: 'binary' }),
      read: source,
      ...file
    },
    { name: 'a tar', through: [], good: tarOf, read: source, ...file },
    { name: 'a tar in gzip', through: [], good: () => gzipSync(tarOf()), read: source, ...file },
    { name: 'a tar in Zstandard', through: [], good: () => zstdCompressSync(tarOf()), read: source, ...file },
    {
      name: 'a tar in a tar',
      through: [],
      good: () => rawTar([{ name: 'a.tar', bytes: tarOf() }]),
      read: source,
      ...file
    },
    { name: 'an Arrow file', through: [], good: () => arrowBytes(images, { rowsPerBatch: 5 }), read: source, ...file },
    {
      name: 'an Arrow stream',
      through: [],
      good: () => arrowBytes(images, { rowsPerBatch: 5, format: 'stream' }),
      read: source,
      ...file
    },
    {
      name: 'an ONNX model',
      through: ['src/optimize/onnx-model.ts scanModel', 'src/optimize/onnx-reader.ts readModel'],
      good: () => classifier(),
      read: bytes => [readModel(bytes), scanModel(bytes)],
      grammar: 'protobuf'
    },
    {
      name: 'preprocessor_config.json',
      through: ['src/optimize/preprocess.ts parsePreprocessor'],
      good: json({
        do_resize: true,
        size: { height: 4, width: 4 },
        image_mean: [0, 0, 0],
        image_std: [1, 1, 1]
      }),
      read: bytes => {
        const value = parsed(bytes)
        return value === undefined ? undefined : parsePreprocessor(value, IMAGE_INPUT)
      },
      grammar: 'json'
    },
    {
      name: 'open_clip_config.json',
      through: ['src/optimize/timm-preprocess.ts openClipPreprocessing'],
      good: json({
        model_cfg: { embed_dim: 4, vision_cfg: { image_size: 4 } },
        preprocess_cfg: { mean: [0, 0, 0], std: [1, 1, 1] }
      }),
      read: bytes => {
        const value = parsed(bytes)
        return value === undefined ? undefined : parsePreprocessor(value, IMAGE_INPUT)
      },
      grammar: 'json'
    },
    {
      name: 'the settings of a model',
      through: ['node/priors/find-config.ts readConfig'],
      good: json({ architecture: 'resnet', pretrained_cfg: { mean: [0, 0, 0] } }),
      read: async (_, path) => await readConfig(path),
      ...file,
      grammar: 'json'
    },
    {
      name: 'labels of a person',
      through: ['node/priors/human-prior.ts readLabelFile'],
      good: () => text(`id,label\n${images.map((_, i) => `${rawCid(Uint8Array.of(i))},c${i % 3}\n`).join('')}`),
      read: async (_, path) => await readLabelFile(path),
      ...file,
      grammar: 'text'
    },
    {
      name: 'lines of labels',
      through: ['src/optimize/labels.ts parseLabels', 'src/optimize/sample-key.ts parseSampleKey'],
      good: () => text(`id,label\n${cids.map((cid, i) => `${cid},"c ""${i}"""\n`).join('')}`),
      read: bytes => {
        const labels = parseLabels(textOf(bytes))
        return [labels, textOf(bytes).split(/[,\n]/).map(parseSampleKey)]
      },
      grammar: 'text'
    },
    {
      name: 'labels of an evaluation',
      through: ['node/evaluate/label-file.ts readLabels'],
      good: () => text(`name,label\n${images.map((_, i) => `${i}.jpg,c${i % 3}\n`).join('')}`),
      read: async (_, path) => await readLabels(path),
      ...file,
      grammar: 'text'
    },
    {
      name: 'the head of a .npy',
      through: ['src/optimize/npy-header.ts parseNpy'],
      good: () => npy(vectors),
      read: bytes => parseNpy(bytes),
      grammar: 'chunks'
    },
    {
      name: 'the length of a safetensors header',
      through: ['src/optimize/safetensors-header.ts safetensorsTextBytes'],
      good: () => safetensors(vectors).subarray(0, 8),
      read: bytes => safetensorsTextBytes(bytes, 10_000),
      grammar: 'chunks'
    },
    {
      name: 'vectors in .npy',
      through: ['node/priors/table/vector-source.ts openVectors'],
      good: () => npy(vectors),
      read: async (_, path) => await (await openVectors(path, 'npy', undefined)).close(),
      ...file
    },
    {
      name: 'vectors in safetensors',
      through: ['node/priors/table/vector-source.ts openVectors'],
      good: () => safetensors(vectors),
      read: async (_, path) => await (await openVectors(path, 'safetensors', undefined)).close(),
      ...file
    },
    {
      name: 'a Parquet table of vectors',
      through: ['node/priors/table/parquet-file.ts openParquet'],
      good: () => table({ id: cids, vector: vectors }),
      read: async (_, path) => await (await openParquet(path)).close(),
      ...file
    },
    {
      name: 'keys in .npy',
      through: ['node/priors/table/key-file.ts openKeyFile'],
      good: () => strings(cids),
      read: async (_, path) => await all((await openKeyFile(await named(path, 'keys.npy'))).batches()),
      ...file
    },
    {
      name: 'keys in .csv',
      through: ['node/priors/table/key-file.ts openKeyFile'],
      good: () => text(`id\n${cids.join('\n')}\n`),
      read: async (_, path) => await all((await openKeyFile(await named(path, 'keys.csv'))).batches()),
      ...file,
      grammar: 'text'
    },
    {
      name: 'bundle.json',
      through: ['src/publish/bundle.ts parseBundleJson'],
      good: json({
        format: 'coopt-prior',
        version: 1,
        name: 'n',
        prior: String(rawCid(Uint8Array.of(1))),
        model: String(rawCid(Uint8Array.of(2))),
        feature: { tensor: 't', rule: 'r' },
        dimension: 4
      }),
      read: bytes => parseBundleJson(bytes, bundleFactsSchema, 'bundle.json'),
      grammar: 'json'
    },
    {
      name: 'config.json',
      through: ['node/home/config.ts parseConfig'],
      good: json({ store: { maxBytes: 1_000_000 }, timing: { leaseMs: 3000 } }),
      read: async (bytes, path) => {
        await loadConfig({ root: dirname(path), config: path })
        return parseConfig(parsed(bytes), path)
      },
      ...file,
      grammar: 'json'
    },
    {
      name: 'results.json',
      through: ['node/lab/report/results-file.ts readResults'],
      good: json({ tables: {} }),
      read: async (_, path) => await readResults(path),
      ...file,
      grammar: 'json'
    },
    {
      name: 'a plan of simulations',
      through: ['node/lab/simulate/plan.ts readPlan', 'node/lab/simulate/plan.ts parsePlan'],
      good: json({
        images: ['a'],
        priors: { p: 'p' },
        base: { partitions: 2, shared: 300, dimension: 16, participants: [{ prior: 'p' }] },
        vary: { seed: [1, 2] }
      }),
      read: async (bytes, path) => {
        await readPlan(path)
        return parsePlan(parsed(bytes), dirname(path))
      },
      ...file,
      grammar: 'json'
    },
    {
      name: 'the address of a daemon',
      through: ['node/api/http/api-file.ts readApiFile'],
      good: json({ pid: 1, port: 80, token: 'x'.repeat(32) }),
      read: async (bytes, path) => {
        const home = join(dirname(path), 'home')
        await mkdir(home, { recursive: true })
        await writeFile(join(home, 'api.json'), bytes)
        return await readApiFile(home)
      },
      ...file,
      grammar: 'json'
    },
    {
      name: 'a version of a home',
      through: ['node/home/version.ts readHomeVersion'],
      good: () => text('1\n'),
      read: async (_, path) => {
        await named(path, 'version')
        return await readHomeVersion(dirname(path))
      },
      ...file,
      grammar: 'text'
    },
    {
      name: 'a lock of a home',
      through: ['node/home/holder.ts readHolder'],
      good: json({ pid: 1, host: 'h', boot: 'b', start: '9', what: 'coopt up', since: '2026-01-01' }),
      read: async (_, path) => await readHolder(path),
      ...file,
      grammar: 'json'
    },
    {
      name: 'a swarm.key',
      through: ['node/network/swarm-key.ts readSwarmKey'],
      good: () => text(`/key/swarm/psk/1.0.0/\n/base16/\n${'ab'.repeat(32)}\n`),
      read: async (_, path) => await readSwarmKey(path, 'config.json'),
      ...file,
      grammar: 'text'
    },
    {
      name: 'the key of a node',
      through: ['node/home/identity.ts parseIdentity'],
      good: async () => privateKeyToProtobuf(await generateKeyPair('Ed25519')),
      read: bytes => parseIdentity(bytes, 'the key file is damaged'),
      grammar: 'protobuf'
    },
    {
      name: 'a backup',
      through: ['node/home/archive/archive-file.ts readArchive'],
      good: async () => {
        const path = join(root, `backup-${performance.now()}`)
        const head = { homeVersion: 1, peer: 'p', at: '2026-01-01T00:00:00.000Z' }
        await writeArchive(path, head, new Map([['config.json', text('{}')]]))
        return await readFile(path)
      },
      read: async (_, path) => await readArchive(path),
      ...file
    },
    {
      name: 'a name in a backup',
      through: ['node/home/archive/archived-files.ts parseArchiveName'],
      good: () => text(`swarms/${swarm.id}/records.log`),
      read: bytes => parseArchiveName(textOf(bytes)),
      grammar: 'text'
    },
    {
      name: 'frames of a log',
      through: ['node/store/frames.ts scanFrames', 'node/store/record-log.ts parseRecords'],
      good: logOf,
      read: bytes => [scanFrames(bytes, 'cooptlog', 1, 10_000), parseRecords(bytes)],
      grammar: 'chunks'
    },
    {
      name: 'a log of records',
      through: ['node/store/record-log.ts openRecordLog', 'node/store/record-log.ts readRecords'],
      good: logOf,
      read: async (_, path) => {
        await readRecords(path)
        await (await openRecordLog(path)).close()
      },
      ...file,
      syncs: true
    },
    {
      name: 'a journal of targets',
      through: ['node/store/progress-journal.ts openProgress'],
      good: async () => {
        const path = join(root, 'good.journal')
        const journal = await openProgress(path, { rows: 4, columns: 2 })
        await journal.append(new Float32Array(4))
        await journal.close()
        return await readFile(path)
      },
      read: async (_, path) => await (await openProgress(path, { rows: 4, columns: 2 })).close(),
      ...file,
      syncs: true
    },
    {
      name: 'a sequence number',
      through: ['node/store/sequence.ts openSequence'],
      good: json({ v: 1, next: 9 }),
      read: async (_, path) => await openSequence(path),
      ...file,
      grammar: 'json'
    }
  ]
}
