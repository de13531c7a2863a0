/** Decoders of what peers and HTTP clients send. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { CID } from 'multiformats/cid'
import { readLines } from '../../../node/api/http/answer-lines.ts'
import { carHeader, carSection, readCar } from '../../../node/content/dag/car.ts'
import { entityOf } from '../../../node/content/dag/entity.ts'
import { parseEntityBytes, parseRanges } from '../../../node/gateway/byte-ranges.ts'
import { parseRequest } from '../../../node/gateway/gateway-request.ts'
import { decodeInfer } from '../../../node/priors/server/infer-message.ts'
import { parseServerUrl } from '../../../node/priors/server/server-url.ts'
import { openIpnsRecord, sealIpnsRecord } from '../../../node/upkeep/ipns-record.ts'
import { blocksHeaderSchema, blocksRequestSchema } from '../../../protocols/blocks/messages.ts'
import { decodeGossip, encodeGossip } from '../../../protocols/gossip/messages.ts'
import { validateGossip } from '../../../protocols/gossip/validator.ts'
import { decodeMessage } from '../../../protocols/message.ts'
import { referenceHeaderSchema, referenceRequestSchema } from '../../../protocols/reference/messages.ts'
import {
  decodeBitmap,
  digestReplySchema,
  heldReplySchema,
  manifestReplySchema,
  namesSchema,
  recordsSchema,
  requestSchema
} from '../../../protocols/sync/messages.ts'
import { decodeMatrix } from '../../../src/bytes.ts'
import { decodeCbor, encodeCbor, parseCid, rawCid } from '../../../src/codec.ts'
import { decodeInvite, encodeInvite } from '../../../src/distribute/invite.ts'
import { openManifest } from '../../../src/distribute/manifest.ts'
import { importBytes } from '../../../src/distribute/unixfs-import.ts'
import { readLeaves } from '../../../src/distribute/unixfs-leaves.ts'
import { decodeFileNode } from '../../../src/distribute/unixfs-node.ts'
import { decodeEnvelope, seal, type Domain } from '../../../src/envelope.ts'
import { localAcceptance, localViewBytes, readLocalView } from '../../../src/merge/local-view.ts'
import { SET_DIGEST_BYTES } from '../../../src/merge/record-digest.ts'
import { openIntent } from '../../../src/publish/intent.ts'
import { openLease } from '../../../src/publish/lease.ts'
import { decodeRecord, openRecord, openStatement } from '../../../src/publish/record.ts'
import { all, fakeImage } from '../../src/distribute/samples.ts'
import { testIntent, testKey, testLease, testRecord, testSwarm, verify } from '../signed-swarm.ts'
import { testIntake } from '../test-intake.ts'
import type { Decoder, Grammar } from './decoder.ts'
import { changedFields } from './inputs.ts'

const swarm = await testSwarm()
const publisher = testKey(1000)
const author = testKey(1)
const record = await testRecord(swarm, author, 0)
const lease = await testLease(swarm, author)
const intent = await testIntent(swarm, author)
const ipnsKey = await generateKeyPairFromSeed('Ed25519', author.seed)
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const images = Array.from({ length: 12 }, (_, i) => fakeImage(i % 5, 60))
/** Of a node of dag-pb */
const directory = CID.createV1(0x70, swarm.id.multihash)
const tree = await rootOf(3_000_000)

/** Statements with changed fields and right signatures: what is behind the signature has to hold by itself. */
const signed = (domain: Domain, sign = author.sign, wrap = (bytes: Uint8Array): Uint8Array => bytes): Grammar => ({
  made: good => {
    const value = decodeCbor(decodeEnvelope(unwrapped(good), good.byteLength).payload, good.byteLength)
    return changedFields(value).map(async changed => wrap(await seal(domain, changed, sign)))
  }
})
const inGossip = (bytes: Uint8Array): Uint8Array => encodeGossip({ kind: 'record', bytes })
/** A gossip message begins with its kind, an envelope with an array of two (0x82). */
const unwrapped = (bytes: Uint8Array): Uint8Array => (bytes[0] === 0x82 ? bytes : decodeGossip(bytes).bytes)

const message = (name: string, schema: Parameters<typeof decodeMessage>[0], value: unknown): Decoder => ({
  name,
  through: ['protocols/message.ts decodeMessage'],
  grammar: 'cbor',
  good: () => encodeCbor(value),
  read: bytes => decodeMessage(schema, bytes, 1_000_000)
})

async function rootOf(bytes: number): Promise<{ block: Uint8Array; cid: CID }> {
  let root = { block: new Uint8Array(), cid: swarm.id }
  const put = async (cid: CID, block: Uint8Array): Promise<void> => {
    root = { block: new Uint8Array(block), cid }
  }
  await importBytes([new Uint8Array(bytes)], put)
  return root
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 100) yield bytes.subarray(at, at + 100)
}

/** Headers and body of an answer of a model server. */
const answerOf = (bytes: Uint8Array): Parameters<typeof decodeInfer>[0] => ({ headers: new Headers(), body: bytes })

export const WIRE: readonly Decoder[] = [
  {
    name: 'a manifest',
    through: ['src/distribute/manifest.ts openManifest', 'src/envelope.ts decodeEnvelope', 'src/codec.ts decodeCbor'],
    good: () => swarm.bytes,
    read: bytes => openManifest(bytes, verify),
    grammar: signed('coopt/1/manifest\0', publisher.sign)
  },
  {
    name: 'a record',
    through: ['src/publish/record.ts openRecord', 'src/publish/record.ts decodeRecord'],
    good: () => record.bytes,
    read: bytes => [openRecord(bytes, swarm, verify), decodeRecord(bytes, swarm, verify)],
    grammar: signed('coopt/1/record\0')
  },
  {
    name: 'a statement of a later version',
    through: ['src/publish/record.ts openStatement'],
    good: () => record.bytes,
    read: bytes => openStatement(bytes),
    grammar: signed('coopt/1/record\0')
  },
  {
    name: 'an intent',
    through: ['src/publish/intent.ts openIntent'],
    good: () => intent,
    read: bytes => openIntent(bytes, swarm, verify),
    grammar: signed('coopt/1/intent\0')
  },
  {
    name: 'a lease',
    through: ['src/publish/lease.ts openLease'],
    good: () => lease,
    read: bytes => openLease(bytes, swarm, verify),
    grammar: signed('coopt/1/lease\0')
  },
  {
    name: 'a gossip message',
    through: ['protocols/gossip/messages.ts decodeGossip'],
    good: () => inGossip(record.bytes),
    read: bytes => decodeGossip(bytes),
    grammar: 'chunks'
  },
  {
    name: 'gossip, as a member takes it',
    through: ['protocols/gossip/validator.ts validateGossip'],
    good: () => inGossip(record.bytes),
    read: bytes =>
      validateGossip(bytes, {
        swarm,
        verify,
        receive: testIntake(swarm).receive,
        leaseCounter: () => undefined,
        intentCounter: () => undefined
      }),
    grammar: signed('coopt/1/record\0', author.sign, inGossip)
  },
  message('a request to synchronise', requestSchema, { t: 'manifest', swarm: swarm.id }),
  message('a digest', digestReplySchema, { t: 'digest', swarm: swarm.id, digest: new Uint8Array(SET_DIGEST_BYTES) }),
  message('names of records', namesSchema, { t: 'names', names: new Uint8Array(0), through: 3, more: false }),
  message('a batch of records', recordsSchema, { t: 'records', records: [record.bytes], more: false }),
  message('an answer about what is held', heldReplySchema, { t: 'held', held: new Uint8Array(9) }),
  message('an answer with a manifest', manifestReplySchema, { t: 'manifest', swarm: swarm.id, bytes: swarm.bytes }),
  message('a request for targets', referenceRequestSchema, { cid: swarm.id, offset: 0, length: 9 }),
  message('its answer', referenceHeaderSchema, { t: 'found', total: 64 }),
  message('a request for blocks', blocksRequestSchema, { cids: [swarm.id] }),
  message('its header', blocksHeaderSchema, { t: 'refused', reason: 'busy' }),
  {
    name: 'a bitmap',
    through: ['protocols/sync/messages.ts decodeBitmap'],
    good: () => Uint8Array.of(0xff, 0x0f),
    read: bytes => decodeBitmap(bytes, 12),
    grammar: 'chunks'
  },
  {
    name: 'an invite',
    through: ['src/distribute/invite.ts decodeInvite', 'src/codec.ts parseCid'],
    good: () => text(encodeInvite({ swarm: swarm.id, addresses: ['/ip4/127.0.0.1/tcp/4001'] })),
    read: bytes => decodeInvite(textOf(bytes)),
    grammar: 'text'
  },
  {
    name: 'a CID',
    through: ['src/codec.ts parseCid'],
    good: () => text(swarm.id.toString()),
    read: bytes => parseCid(textOf(bytes)),
    grammar: 'text'
  },
  {
    name: 'a matrix',
    through: ['src/bytes.ts decodeMatrix'],
    good: () => new Uint8Array(64),
    read: bytes => decodeMatrix(bytes, 4, 4),
    grammar: 'chunks'
  },
  {
    name: 'a CAR',
    through: ['node/content/dag/car.ts readCar'],
    good: () => {
      const blocks = images.flatMap(bytes => carSection(rawCid(bytes), bytes))
      return new Uint8Array(Buffer.concat([carHeader([rawCid(images[0] as Uint8Array)]), ...blocks]))
    },
    read: async bytes => await all((await readCar(chunks(bytes))).blocks),
    grammar: 'chunks'
  },
  {
    name: 'a UnixFS node',
    through: ['node/content/dag/entity.ts entityOf'],
    good: () => tree.block,
    read: bytes => entityOf(directory, bytes),
    grammar: 'protobuf'
  },
  {
    name: 'a node of a file of ours',
    through: ['src/distribute/unixfs-node.ts decodeFileNode', 'src/distribute/unixfs-leaves.ts readLeaves'],
    good: () => tree.block,
    read: async bytes => {
      decodeFileNode(bytes)
      return await readLeaves(tree.cid, async () => bytes, 3_000_000)
    },
    grammar: 'protobuf'
  },
  {
    name: 'the rule of a local view',
    through: ['src/merge/local-view.ts readLocalView'],
    good: () => localViewBytes(localAcceptance({ admission: 'open' }, { confirmed: 2 })),
    read: bytes => readLocalView(bytes, { admission: 'open' }),
    grammar: 'json'
  },
  {
    name: 'an IPNS record',
    through: ['node/upkeep/ipns-record.ts openIpnsRecord'],
    good: async () =>
      await sealIpnsRecord(
        { value: `/ipfs/${swarm.id}`, sequence: 1n, validUntil: new Date(2e12), ttlNs: 1n },
        ipnsKey
      ),
    read: async bytes => await openIpnsRecord(bytes, ipnsKey.publicKey),
    grammar: 'protobuf'
  },
  {
    name: 'a Range header',
    through: ['node/gateway/byte-ranges.ts parseRanges'],
    good: () => text('bytes=0-9, 20-, -5'),
    read: bytes => parseRanges(textOf(bytes), 1000),
    grammar: 'text'
  },
  {
    name: 'entity-bytes',
    through: ['node/gateway/byte-ranges.ts parseEntityBytes'],
    good: () => text('-1024:*'),
    read: bytes => parseEntityBytes(textOf(bytes)),
    grammar: 'text'
  },
  {
    name: 'a request to the gateway',
    through: ['node/gateway/gateway-request.ts parseRequest'],
    good: () => text(`/ipfs/${swarm.id}/a/b%20c?format=car&dag-scope=entity&entity-bytes=0:9`),
    read: bytes => parseRequest(textOf(bytes), { accept: 'application/vnd.ipld.car; order=dfs; dups=y' }),
    grammar: 'text'
  },
  {
    name: 'an answer of a daemon',
    through: ['node/api/http/answer-lines.ts readLines'],
    good: () => text('{"type":"log","level":"info","message":"a"}\n{"done":true}\n'),
    read: async bytes => await all(readLines(chunks(bytes))),
    grammar: 'text'
  },
  {
    name: 'an answer of a model server',
    through: ['node/priors/server/infer-message.ts decodeInfer'],
    good: () =>
      text(
        JSON.stringify({
          model_name: 'm',
          outputs: [{ name: 'out', datatype: 'FP32', shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }]
        })
      ),
    read: bytes => decodeInfer(answerOf(bytes), 'out'),
    grammar: 'json'
  },
  {
    name: 'the address of a model server',
    through: ['node/priors/server/server-url.ts parseServerUrl'],
    good: () => text('http://localhost:8000/v2/models/resnet/versions/1'),
    read: bytes => parseServerUrl(textOf(bytes)),
    grammar: 'text'
  }
]
