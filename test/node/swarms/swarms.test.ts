import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { DEFAULT_CONFIG } from '../../../node/home/config.ts'
import { homeAt, listSwarms, prepareHome, type Home } from '../../../node/home/home.ts'
import type { Identity } from '../../../node/home/identity.ts'
import type { Installation } from '../../../node/home/installation.ts'
import { silentLogger } from '../../../node/process/logger.ts'
import { createSwarms, type Swarms } from '../../../node/swarms/swarms.ts'
import { plainGemm } from '../../../src/gemm.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { matrix } from '../../../src/matrix.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { importMatrix } from '../../../src/publish/matrix-file.ts'
import { memoryContent } from '../../helpers/memory-content.ts'
import { testKey } from '../../helpers/signed-swarm.ts'
import { makeScore, makeSwarm, testPeer } from '../../helpers/swarm-factory.ts'

const never = new AbortController().signal
const FEATURES = matrix(
  16,
  8,
  Float32Array.from({ length: 16 * 8 }, (_, i) => Math.sin(i))
)

const ORIGINAL: Installation = { origin: 'made', isAssured: () => true, assure: async () => {} }

let home: Home
let content: Content
let identity: Identity
let complaints: { message: string; fields: unknown }[]

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'coopt-swarms-'))
  onTestFinished(async () => await rm(root, { recursive: true, force: true }))
  home = homeAt(root)
  await prepareHome(home)
  content = memoryContent()
  const { seed, key, sign } = testKey(9000)
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)
  identity = { key, sign, privateKey, peerId: peerIdOf(key) }
  complaints = []
})

/** The swarms of the home, without a network; stopped when the test is over. */
function swarmsOf(): Swarms {
  const complain = (message: string, fields?: object): void => void complaints.push({ message, fields })
  const logger = { ...silentLogger, error: complain, warn: complain }
  const swarms = createSwarms({
    checks: true,
    identity,
    config: DEFAULT_CONFIG,
    home,
    installation: ORIGINAL,
    content,
    gemm: plainGemm,
    logger
  })
  onTestFinished(async () => await swarms.stop())
  return swarms
}

/** A swarm whose reference features are in the store. */
async function openable(name: string): Promise<Swarm> {
  const { cid, bytes, dagBytes } = await importMatrix(FEATURES, content.put)
  return await makeSwarm({ name, referenceFeatures: { cid, bytes, dagBytes, dimension: 8, source: 'test' } })
}

test('a swarm is opened once, whoever asks for it at the same time', async () => {
  const swarm = await openable('one')
  const swarms = swarmsOf()
  const [a, b] = await Promise.all([swarms.open(swarm, []), swarms.open(swarm, [])])
  expect(a).toBe(b)
  await swarms.untilOpened()
  expect(swarms.all()).toEqual([a])
  expect(swarms.get(swarm.id.toString())).toBe(a)
  // without a network there are no members, and nobody is waited for
  expect(a.members()).toEqual([])
  await a.catchUp(60_000, never)
  expect(await a.sync(never)).toBe(false)
})

test('a swarm that could not be opened can be opened later', async () => {
  const swarm = await makeSwarm({ name: 'without its features' })
  const swarms = swarmsOf()
  await expect(swarms.open(swarm, [])).rejects.toMatchObject({ name: 'ContentUnavailableError' })
  expect(swarms.all()).toEqual([])
  await expect(swarms.open(swarm, [])).rejects.toMatchObject({ name: 'ContentUnavailableError' })
})

test('a home opens again what it knows, with the records of its log, and one damaged manifest keeps no other closed', async () => {
  const [one, two] = [await openable('one'), await openable('two')]
  const before = swarmsOf()
  const { state } = await before.open(one, [])
  await before.open(two, [])
  const score = await makeScore(one, testPeer('bob'), 0)
  expect(state.receive(score.bytes)).toMatchObject({ outcome: 'added' })
  await before.stop()
  expect((await listSwarms(home)).map(String).sort()).toEqual([one, two].map(({ id }) => id.toString()).sort())
  await truncate(home.swarm(two.id).manifest, 100)

  const after = swarmsOf()
  await after.openKnown()
  expect(after.all().map(({ swarm }) => swarm.id.toString())).toEqual([one.id.toString()])
  expect(after.get(one.id.toString())?.state.set.has(score.key)).toBe(true)
  expect(after.waiting()).toEqual([])
  expect(complaints.map(({ message }) => message).filter(message => message.includes('opened'))).toEqual([
    'a swarm of this home cannot be opened; its files are kept. If they are damaged, join it again with its invite'
  ])
})

test('a record in the log that is not valid any more is left out and reported', async () => {
  const swarm = await openable('one')
  const before = swarmsOf()
  const { state } = await before.open(swarm, [])
  const [score, other] = [await makeScore(swarm, testPeer('bob'), 0), await makeScore(swarm, testPeer('alice'), 0)]
  for (const { bytes } of [score, other]) state.receive(bytes)
  await before.stop()
  const { log } = home.swarm(swarm.id)
  const bytes = new Uint8Array(await readFile(log))
  const at = Buffer.from(bytes).indexOf(score.bytes)
  // one bit of the first record's signature
  bytes[at + score.bytes.byteLength - 1] = (bytes[at + score.bytes.byteLength - 1] as number) ^ 1
  await writeFile(log, bytes)

  const { state: again } = await swarmsOf().open(swarm, [])
  expect(again.set.records().map(({ key }) => key)).toEqual([other.key])
  expect(complaints.filter(({ message }) => message.includes('log'))).toHaveLength(1)
})

test('a swarm that is in the store is found without a network, and its addresses are remembered', async () => {
  const swarm = await openable('one')
  await content.put(swarm.id, swarm.bytes)
  const swarms = swarmsOf()
  const address = `/ip4/127.0.0.1/tcp/1/p2p/${testPeer('bob').id}`
  const found = await swarms.find({ swarm: swarm.id, addresses: [address] }, never)
  expect(await swarms.find({ swarm: swarm.id, addresses: [] }, never)).toBe(found)
  await swarms.stop()
  expect(JSON.parse(await readFile(home.swarm(swarm.id).addresses, 'utf8'))).toEqual([address])
})

test('one who waits for a swarm may give up, and the opening goes on for others', async () => {
  const swarm = await openable('one')
  await content.put(swarm.id, swarm.bytes)
  const swarms = swarmsOf()
  const controller = new AbortController()
  const opening = swarms.open(swarm, [])
  const finding = swarms.find({ swarm: swarm.id, addresses: [] }, controller.signal)
  controller.abort(new Error('given up'))
  await expect(finding).rejects.toThrow('given up')
  const opened = await opening
  expect(swarms.get(swarm.id.toString())).toBe(opened)
})
