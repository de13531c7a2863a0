import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrowFileCandidates } from '../../node/image-sources/arrow-candidates.ts'
import { parquetCandidates } from '../../node/image-sources/parquet-candidates.ts'
import { openSource } from '../../node/image-sources/source.ts'
import { sourceCandidates } from '../../node/image-sources/source-candidates.ts'
import { loadConfig } from '../../node/home/config.ts'
import { carHeader, carSection, readCar } from '../../node/content/dag/car.ts'
import { entityOf } from '../../node/content/dag/entity.ts'
import { readLabels } from '../../node/evaluate/label-file.ts'
import { readResults } from '../../node/lab/report/results-file.ts'
import { readApiFile } from '../../node/api/http/api-file.ts'
import { readLabelFile } from '../../node/priors/human-prior.ts'
import { createImageDecoder, type ImageDecoder } from '../../node/compute/inference/images.ts'
import { openIpnsRecord, sealIpnsRecord } from '../../node/upkeep/ipns-record.ts'
import { openProgress } from '../../node/store/progress-journal.ts'
import { openRecordLog } from '../../node/store/record-log.ts'
import { decodeGossip, encodeGossip } from '../../protocols/gossip/messages.ts'
import { decodeMessage } from '../../protocols/message.ts'
import { referenceHeaderSchema, referenceRequestSchema } from '../../protocols/reference/messages.ts'
import { heldReplySchema, requestSchema } from '../../protocols/sync/messages.ts'
import { decodeMatrix } from '../../src/bytes.ts'
import { encodeCbor, rawCid } from '../../src/codec.ts'
import { decodeInvite, encodeInvite } from '../../src/distribute/invite.ts'
import { openManifest } from '../../src/distribute/manifest.ts'
import { readSamples } from '../../src/distribute/partition-file.ts'
import { importBytes } from '../../src/distribute/unixfs-import.ts'
import { CoOptError } from '../../src/errors.ts'
import { scanModel } from '../../src/optimize/onnx-model.ts'
import { parsePreprocessor } from '../../src/optimize/preprocess.ts'
import { bundleFactsSchema, parseBundleJson } from '../../src/publish/bundle.ts'
import { openIntent } from '../../src/publish/intent.ts'
import { openLease } from '../../src/publish/lease.ts'
import { openRecord } from '../../src/publish/record.ts'
import { classifier } from '../helpers/onnx.ts'
import { testIntent, testKey, testLease, testRecord, testSwarm, verify } from '../helpers/signed-swarm.ts'
import { all, fakeImage, fileOf, partitionOf } from '../src/distribute/samples.ts'
import { arrowBytes, rawTar, writeParquet } from './image-sources/archives.ts'

/** Errors that nobody handled: each ends a process that does not expect them. */
const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
let root: string
let decoder: ImageDecoder

beforeAll(async () => {
  process.on('unhandledRejection', note)
  root = await mkdtemp(join(tmpdir(), 'coopt-damaged-'))
  decoder = await createImageDecoder({ imagePixels: 1_000_000, imageBytes: 1_000_000 })
})
afterAll(async () => {
  process.off('unhandledRejection', note)
  await rm(root, { recursive: true, force: true })
})

interface Reader {
  name: string
  good: () => Promise<Uint8Array> | Uint8Array
  /** Reads it all; `path` is a file with the bytes */
  read: (bytes: Uint8Array, path: string) => unknown
  /** Few where every one waits for the disk */
  runs?: number
}

const images = Array.from({ length: 12 }, (_, i) => fakeImage(i % 5, 60))
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const pixels = () => sharp({ create: { width: 20, height: 16, channels: 3, background: '#a4c' } })
const tarOf = (): Uint8Array =>
  rawTar([
    ...images.map((bytes, i) => ({ name: `${i}.jpg`, bytes, magic: 'ustar\x0000' })),
    { name: 'l.jpg', type: '1', linkname: '3.jpg', magic: 'ustar\x0000' }
  ])
const swarm = await testSwarm()
const author = testKey(1)
const ipnsKey = await generateKeyPairFromSeed('Ed25519', author.seed)
/** Of a node of dag-pb */
const directory = CID.createV1(0x70, swarm.id.multihash)
const parquet =
  (shape: Parameters<typeof writeParquet>[2]): (() => Promise<Uint8Array>) =>
  async () =>
    await readFile(await writeParquet(join(root, 'good.parquet'), images, { rowGroupSize: 5, ...shape }))
const source = async (_: Uint8Array, path: string): Promise<unknown> => await all(sourceCandidates([path], {}))
const message = (schema: Parameters<typeof decodeMessage>[0], value: unknown): Pick<Reader, 'good' | 'read'> => ({
  good: () => encodeCbor(value),
  read: bytes => decodeMessage(schema, bytes, 1_000_000)
})

const readers: Reader[] = [
  { name: 'Parquet, structs, Snappy', good: parquet({ codec: 'SNAPPY' }), read: source },
  { name: 'Parquet, lists, Zstandard', good: parquet({ codec: 'ZSTD', layout: 'list' }), read: source },
  { name: 'Parquet, binary, LZ4', good: parquet({ codec: 'LZ4', layout: 'binary' }), read: source },
  { name: 'a partition', good: () => partitionOf([100, 2000, 30]), read: bytes => all(readSamples(fileOf(bytes))) },
  { name: 'a tar', good: tarOf, read: source },
  { name: 'a tar in gzip', good: () => gzipSync(tarOf()), read: source },
  { name: 'a tar in Zstandard', good: () => zstdCompressSync(tarOf()), read: source },
  { name: 'a tar in a tar', good: () => rawTar([{ name: 'a.tar', bytes: tarOf() }]), read: source },
  { name: 'an Arrow file', good: () => arrowBytes(images, { rowsPerBatch: 5 }), read: source },
  { name: 'an Arrow stream', good: () => arrowBytes(images, { rowsPerBatch: 5, format: 'stream' }), read: source },
  { name: 'a JPEG', good: () => pixels().jpeg().toBuffer(), read: bytes => decoder.decode(bytes) },
  { name: 'a PNG', good: () => pixels().png().toBuffer(), read: bytes => decoder.decode(bytes) },
  { name: 'a WebP', good: () => pixels().webp().toBuffer(), read: bytes => decoder.decode(bytes) },
  { name: 'an ONNX model', good: () => classifier(), read: bytes => scanModel(bytes) },
  {
    name: 'preprocessor_config.json',
    good: () =>
      text(
        JSON.stringify({ do_resize: true, size: { height: 4, width: 4 }, image_mean: [0, 0, 0], image_std: [1, 1, 1] })
      ),
    read: bytes => {
      const value = parsed(bytes)
      return value === undefined
        ? undefined
        : parsePreprocessor(value, {
            name: 'image',
            layout: 'nchw',
            channels: 3,
            elementType: 'float32',
            height: 4,
            width: 4,
            batch: undefined
          })
    }
  },
  {
    name: 'labels of a person',
    good: () => text(`id,label\n${images.map((_, i) => `${rawCid(Uint8Array.of(i))},c${i % 3}\n`).join('')}`),
    read: (_, path) => readLabelFile(path)
  },
  {
    name: 'labels of an evaluation',
    good: () => text(`name,label\n${images.map((_, i) => `${i}.jpg,c${i % 3}\n`).join('')}`),
    read: (_, path) => readLabels(path)
  },
  {
    name: 'config.json',
    good: () => text('{"store":{"maxBytes":1000000},"timing":{"leaseMs":3000}}'),
    read: (_, path) => loadConfig({ root: dirname(path), config: path })
  },
  { name: 'results.json', good: () => text('{"tables":{}}'), read: (_, path) => readResults(path) },
  {
    name: 'bundle.json',
    good: () =>
      text(
        JSON.stringify({
          format: 'coopt-prior',
          version: 1,
          name: 'n',
          prior: String(rawCid(Uint8Array.of(1))),
          model: String(rawCid(Uint8Array.of(2))),
          feature: { tensor: 't', rule: 'r' },
          dimension: 4
        })
      ),
    read: bytes => parseBundleJson(bytes, bundleFactsSchema, 'bundle.json')
  },
  {
    name: 'the address of a daemon',
    good: () => text(JSON.stringify({ pid: 1, port: 80, token: 'x'.repeat(32) })),
    read: async bytes => {
      const home = join(root, 'home')
      await mkdir(home, { recursive: true })
      await writeFile(join(home, 'api.json'), bytes)
      return await readApiFile(home)
    }
  },
  {
    name: 'a CAR',
    good: async () => {
      const blocks = images.map(bytes => carSection(rawCid(bytes), bytes)).flat()
      return new Uint8Array(Buffer.concat([carHeader([rawCid(images[0] as Uint8Array)]), ...blocks]))
    },
    read: async bytes => await all((await readCar(chunks(bytes))).blocks)
  },
  {
    name: 'a UnixFS node',
    good: async () => {
      let last = new Uint8Array()
      await importBytes([new Uint8Array(3_000_000)], async (_, block) => void (last = new Uint8Array(block)))
      return last
    },
    read: bytes => entityOf(directory, bytes)
  },
  { name: 'a manifest', good: () => swarm.bytes, read: bytes => openManifest(bytes, verify) },
  {
    name: 'a record',
    good: async () => (await testRecord(swarm, author, 0)).bytes,
    read: bytes => openRecord(bytes, swarm, verify)
  },
  { name: 'an intent', good: () => testIntent(swarm, author), read: bytes => openIntent(bytes, swarm, verify) },
  { name: 'a lease', good: () => testLease(swarm, author), read: bytes => openLease(bytes, swarm, verify) },
  {
    name: 'a gossip message',
    good: async () => encodeGossip({ kind: 'record', bytes: (await testRecord(swarm, author, 0)).bytes }),
    read: bytes => decodeGossip(bytes)
  },
  { name: 'a request to synchronise', ...message(requestSchema, { t: 'manifest', swarm: swarm.id }) },
  { name: 'an answer to it', ...message(heldReplySchema, { t: 'held', held: new Uint8Array(9) }) },
  { name: 'a request for targets', ...message(referenceRequestSchema, { cid: swarm.id, offset: 0, length: 9 }) },
  { name: 'its answer', ...message(referenceHeaderSchema, { t: 'found', total: 64 }) },
  {
    name: 'an invite',
    good: () => text(encodeInvite({ swarm: swarm.id, addresses: ['/ip4/127.0.0.1/tcp/4001'] })),
    read: bytes => decodeInvite(new TextDecoder().decode(bytes))
  },
  {
    name: 'an IPNS record',
    good: async () =>
      await sealIpnsRecord(
        { value: `/ipfs/${swarm.id}`, sequence: 1n, validUntil: new Date(2e12), ttlNs: 1n },
        ipnsKey
      ),
    read: bytes => openIpnsRecord(bytes, ipnsKey.publicKey)
  },
  { name: 'a matrix', good: () => new Uint8Array(64), read: bytes => decodeMatrix(bytes, 4, 4) },
  {
    name: 'a log of records',
    runs: 10,
    good: async () => {
      const path = join(root, 'good.log')
      const log = await openRecordLog(path)
      await log.append((await testRecord(swarm, author, 0)).bytes, { sync: true })
      await log.close()
      return await readFile(path)
    },
    read: async (_, path) => await (await openRecordLog(path)).close()
  },
  {
    name: 'a journal of targets',
    runs: 10,
    good: async () => {
      const path = join(root, 'good.journal')
      const journal = await openProgress(path, { rows: 4, columns: 2 })
      await journal.append(new Float32Array(4))
      await journal.close()
      return await readFile(path)
    },
    read: async (_, path) => await (await openProgress(path, { rows: 4, columns: 2 })).close()
  }
]

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 100) yield bytes.subarray(at, at + 100)
}

/** Bits flipped, bytes lost or put in, cut off. */
function damaged(good: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(Math.max(0, good.byteLength - 1))
  const flips = fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 })
  return fc.oneof(
    { weight: 4, arbitrary: flips.map(all => apply(good, all)) },
    place.map(end => good.slice(0, end)),
    fc.tuple(place, fc.nat(20)).map(([at, n]) => Buffer.concat([good.subarray(0, at), good.subarray(at + n)])),
    fc
      .tuple(place, fc.uint8Array({ minLength: 1, maxLength: 20 }))
      .map(([at, more]) => Buffer.concat([good.subarray(0, at), more, good.subarray(at)]))
  )
}

function apply(good: Uint8Array, flips: readonly (readonly [number, number])[]): Uint8Array {
  const bad = good.slice()
  for (const [at, by] of flips) bad[at] = (bad[at] ?? 0) ^ by
  return bad
}

/** Rejections are told after the microtasks of a turn. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

describe('damaged input', () => {
  it.each(readers)(
    'of $name is an error of ours or is read, and leaves no rejection behind',
    async ({ good, read, runs = 120 }) => {
      const bytes = new Uint8Array(await good())
      const path = join(root, 'input')
      await writeFile(path, bytes)
      await read(bytes, path)
      await fc.assert(
        fc.asyncProperty(damaged(bytes), async bad => {
          await writeFile(path, bad)
          try {
            await read(bad, path)
          } catch (error) {
            if (!(error instanceof CoOptError)) throw error
          }
        }),
        { numRuns: runs }
      )
      await settled()
      expect(unhandled.splice(0)).toEqual([])
    }
  )

  it('of two columns of a Parquet file, the second at once and the first later, leaves no rejection behind', async () => {
    const path = await writeParquet(join(root, 'two.parquet'), images, { codec: 'SNAPPY' })
    const bad = await readFile(path)
    // the path of image.path names a column that the schema does not have
    bad.write('hath', bad.lastIndexOf('path'), 'latin1')
    // the pages of image.bytes are no Snappy any more
    const first = bad.indexOf(Uint8Array.of(0xff, 0xd8, 0xff))
    bad.fill(0xfe, first - 8, first + 60)
    await writeFile(path, bad)
    await expect(all(parquetCandidates(path))).rejects.toThrow(CoOptError)
    await settled()
    expect(unhandled.splice(0)).toEqual([])
  })

  it('of several kinds in one folder costs the damaged parts only', async () => {
    const folder = join(root, 'shards')
    await mkdir(folder)
    await writeFile(join(folder, '0.tar'), tarOf())
    await writeFile(join(folder, '1.tar'), tarOf().subarray(0, 5000))
    await writeFile(join(folder, '2.tar.gz'), gzipSync(tarOf()).subarray(0, 300))
    await writeFile(join(folder, '3.tar'), tarOf())
    const broken: string[] = []
    const opened = await openSource(folder, { spool: root, onBroken: name => broken.push(name) })
    expect(broken).toEqual(['1.tar', '2.tar.gz'])
    expect(opened.count).toBe(26)
    expect(opened.nameOf(13)).toBe('3.tar: 0.jpg')
    expect(new Uint8Array(await opened.read(13))).toEqual(images[0])
    await opened.close()
  })

  it('that stops an Arrow file in its middle is an error of it', async () => {
    const path = join(root, 'cut.arrow')
    await writeFile(path, arrowBytes(images).subarray(0, 400))
    await expect(all(arrowFileCandidates(path))).rejects.toThrow('cut off')
  })
})
