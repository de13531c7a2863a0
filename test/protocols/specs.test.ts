/** The examples in the spec pages are what the code sends and accepts. */
import { readFileSync } from 'node:fs'
import { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { blocksHeaderSchema, blocksRequestSchema } from '../../protocols/blocks/messages.ts'
import * as constants from '../../protocols/constants.ts'
import { encodePrefix } from '../../protocols/framing.ts'
import { decodeGossip } from '../../protocols/gossip/messages.ts'
import { encodeMessage } from '../../protocols/message.ts'
import { referenceHeaderSchema, referenceRequestSchema } from '../../protocols/reference/messages.ts'
import { encodeBitmap, heldReplySchema, requestSchema } from '../../protocols/sync/messages.ts'
import { cborCid, decodeCbor, pbCid, rawCid } from '../../src/codec.ts'
import { decodeEnvelope } from '../../src/envelope.ts'
import { openLease } from '../../src/publish/lease.ts'
import { openRecord, sealRecord } from '../../src/publish/record.ts'
import { testIntent, testKey, testLease, testSwarm, verify } from '../helpers/signed-swarm.ts'

const swarm = await testSwarm()

function page(name: string): { text: string; hex: string[]; json: unknown[] } {
  const text = readFileSync(new URL(`../../protocols/${name}`, import.meta.url), 'utf8')
  const blocks = (language: string): string[] =>
    [...text.matchAll(new RegExp('```' + language + '\n([^`]*)```', 'g'))].map(m => m[1] ?? '')
  return {
    text,
    hex: blocks('hex').map(h => h.replaceAll(/\s/g, '')),
    json: blocks('json').map(j => JSON.parse(j) as unknown)
  }
}

function framed(frame: Uint8Array): string {
  return Buffer.concat([encodePrefix(frame.byteLength), frame]).toString('hex')
}

/** CIDs and byte strings as dag-json writes them. */
function dagJson(value: unknown): unknown {
  const cid = CID.asCID(value)
  if (cid !== null) return { '/': cid.toString() }
  if (value instanceof Uint8Array) {
    return { '/': { bytes: Buffer.from(value).toString('base64').replaceAll('=', '') } }
  }
  if (Array.isArray(value)) return value.map(dagJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, dagJson(v)]))
}

test('gossip.md shows a lease, a score with a bundle, an intent and a check as they are sent', async () => {
  const { hex, json } = page('gossip/gossip.md')
  const lease = await testLease(swarm, testKey(1))
  const data = Uint8Array.of(2, ...lease)
  const { bytes } = decodeGossip(data)
  expect(openLease(bytes, swarm, verify).partition).toBe(0)
  const author = testKey(1)
  const score = await sealRecord(
    {
      v: 1,
      type: 'score',
      swarm: swarm.id,
      author: author.key,
      seq: 0,
      targets: rawCid(Uint8Array.of(3)),
      present: 16,
      uniformValue: -1.5,
      prior: {
        id: rawCid(Uint8Array.of(1)),
        kind: 'onnx',
        name: 'resnet',
        dimension: 64,
        bundle: { cid: pbCid(Uint8Array.of(2)), dagBytes: 1_100_000 }
      }
    },
    author.sign
  )
  const check = await sealRecord(
    {
      v: 1,
      type: 'check',
      swarm: swarm.id,
      author: author.key,
      seq: 1,
      partition: 0,
      alignment: cborCid(Uint8Array.of(4)),
      result: cborCid(Uint8Array.of(5)),
      shard: 'sound',
      opinion: {
        by: 'prior',
        score: score.id,
        seed: new Uint8Array(32).fill(6),
        rows: 8,
        targets: rawCid(Uint8Array.of(7)),
        z: 9.5,
        expected: 10.25,
        verdict: 'plausible'
      }
    },
    author.sign
  )
  const intent = Uint8Array.of(3, ...(await testIntent(swarm, author)))
  expect(decodeGossip(intent).kind).toBe('intent')
  const sent = [score, check].map(({ bytes: record }) => Uint8Array.of(1, ...record))
  const opened = sent.map(message => openRecord(decodeGossip(message).bytes, swarm, verify).body)
  expect(opened).toEqual([score.body, check.body])
  const [first, second] = sent
  expect(hex).toEqual([data, first, intent, second].map(message => Buffer.from(message ?? []).toString('hex')))
  const payload = (envelope: Uint8Array): unknown => dagJson(decodeCbor(decodeEnvelope(envelope, 4096).payload, 4096))
  expect(json).toEqual([bytes, score.bytes, intent.subarray(1), check.bytes].map(payload))
})

test('sync.md shows a question and its answer as they are sent', () => {
  const { hex, json } = page('sync/sync.md')
  const question = { t: 'holds' as const, swarm: swarm.id, cids: [swarm.id] }
  const answer = { t: 'held' as const, held: encodeBitmap([true]) }
  expect(hex).toEqual([framed(encodeMessage(requestSchema, question)), framed(encodeMessage(heldReplySchema, answer))])
  expect(json).toEqual([dagJson(question), dagJson(answer)])
})

test('reference.md shows a request and its header as they are sent', () => {
  const { hex, json } = page('reference/reference.md')
  const request = { cid: rawCid(Uint8Array.of(1)), offset: 65_536, length: 958_464 }
  const header = { t: 'found' as const, total: 1_024_000 }
  expect(hex).toEqual([
    framed(encodeMessage(referenceRequestSchema, request)),
    framed(encodeMessage(referenceHeaderSchema, header))
  ])
  expect(json).toEqual([dagJson(request), dagJson(header)])
})

test('blocks.md shows a request and its header as they are sent', () => {
  const { hex, json } = page('blocks/blocks.md')
  const request = { cids: [rawCid(Uint8Array.of(1)), rawCid(Uint8Array.of(2))] }
  const header = { t: 'sending' as const }
  expect(hex).toEqual([
    framed(encodeMessage(blocksRequestSchema, request)),
    framed(encodeMessage(blocksHeaderSchema, header))
  ])
  expect(json).toEqual([dagJson(request), dagJson(header)])
})

test('the limits in the pages are those of the code', () => {
  const kib = (n: number): string => `${n / 1024} KiB`
  const sync = page('sync/sync.md').text
  expect(sync).toContain(`| first frame | ${kib(constants.MAX_SYNC_REQUEST_BYTES)} |`)
  expect(sync).toContain(
    `| page of names | ${kib(constants.MAX_NAMES_PAGE_BYTES)}, 2,000 names; 131,072 names a session |`
  )
  expect([constants.NAMES_PER_PAGE, constants.MAX_NAMES_PER_SESSION]).toEqual([2000, 131_072])
  expect(sync).toContain(
    `| batch of records | ${kib(constants.MAX_RECORDS_BATCH_BYTES)}; 16 MiB a session and direction |`
  )
  expect(constants.MAX_RECORD_BYTES_PER_SESSION).toBe(16 * 1024 * 1024)
  expect(sync).toContain(
    `${constants.SYNC_SESSIONS_PER_MINUTE} a minute, ${constants.SYNC_BURST} at once; one exchange at a time`
  )
  expect(sync).toContain(
    `| ${constants.MAX_SYNC_SESSIONS}; ${constants.MAX_STREAMS_PER_PEER} streams of one connection |`
  )
  const reference = page('reference/reference.md').text
  expect(reference).toContain(`| request | ${kib(constants.MAX_REFERENCE_REQUEST_BYTES)}, complete within`)
  expect(reference).toContain(`| header | ${constants.MAX_REFERENCE_HEADER_BYTES} bytes`)
  expect(reference).toContain(
    `| requests of one peer | ${constants.REFERENCE_REQUESTS_PER_SECOND} a second, ${constants.REFERENCE_BURST} at once |`
  )
  expect(reference).toContain(
    `| requests of all peers | ${constants.REFERENCE_TOTAL_REQUESTS_PER_SECOND} a second, ${constants.REFERENCE_TOTAL_BURST} at once |`
  )
  const blocks = page('blocks/blocks.md').text
  const { MAX_BLOCKS_PER_REQUEST, BLOCKS_STALL_MS, BLOCKS_IDLE_MS } = constants
  expect(blocks).toContain(`| request | ${kib(constants.MAX_BLOCKS_REQUEST_BYTES)}, complete within 5 s`)
  expect(blocks).toContain(`${MAX_BLOCKS_PER_REQUEST} CIDs |`)
  expect(blocks).toContain(`| header | ${constants.MAX_BLOCKS_HEADER_BYTES} bytes |`)
  expect(blocks).toContain(`| block | ${constants.MAX_SENT_BLOCK_BYTES / 1024 / 1024} MiB |`)
  expect(blocks).toContain(`${kib(constants.BLOCKS_PIECE_BYTES)} within ${BLOCKS_STALL_MS / 1000} s`)
  expect(blocks).toContain(`| stream without a request | ${BLOCKS_IDLE_MS / 1000} s |`)
  expect(blocks).toContain(
    `| requests of one peer | ${constants.BLOCKS_REQUESTS_PER_SECOND} a second, ${constants.BLOCKS_BURST} at once |`
  )
  expect(blocks).toContain(
    `${constants.RELAYED_BYTES_PER_SECOND} bytes a second, after ${constants.RELAYED_BURST_BYTES / 1024 / 1024} MiB at once`
  )
  expect(blocks).toContain(
    `| concurrent streams | ${constants.MAX_BLOCKS_STREAMS}; ${constants.MAX_STREAMS_PER_PEER} streams per connection |`
  )
  const gossip = page('gossip/gossip.md').text
  expect(gossip).toContain(`${constants.GOSSIP_MESSAGES_PER_SECOND} a second, ${constants.GOSSIP_BURST} at once |`)
  expect(gossip).toContain(`${constants.LEASES_PER_SECOND} a second, ${constants.LEASE_BURST} at once |`)
  expect(gossip).toContain(`| lease | \`coopt/1/lease\` NUL | ${constants.MAX_LEASE_BYTES} bytes |`)
  expect(gossip).toContain(`| intent | \`coopt/1/intent\` NUL | ${constants.MAX_INTENT_BYTES} bytes |`)
  expect(gossip).toContain(`| authors whose intents are passed on at a time | ${constants.MAX_LIVE_INTENTS} |`)
})
