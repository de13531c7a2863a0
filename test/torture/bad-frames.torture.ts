import { connect as connectTcp, type Socket } from 'node:net'
import { setImmediate, setTimeout as pause } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodePrefix } from '../../protocols/framing.ts'
import { createGossip } from '../../protocols/gossip/gossip.ts'
import { figure, p95, sizeOf } from '../helpers/effort.ts'
import { seeded } from '../helpers/seeded.ts'
import { testRecord, testSwarm, verify } from '../helpers/signed-swarm.ts'
import { testIntake } from '../helpers/test-intake.ts'
import { connect, testNode, waitFor, type TestNode } from '../helpers/test-network.ts'

const FRAMES = sizeOf('COOPT_FRAMES', 2000)
const HANDSHAKES = Math.ceil(FRAMES / 4)
const STALLED = Math.ceil(FRAMES / 40)
/** Frames from one peer, after which the next attacker comes: it is denied after six. */
const FRAMES_EACH = 500
const CUT_OFF_MS = 2000
/** The handshake may take 5 s (`inboundUpgradeTimeout`); a busy machine is late. */
const STALL_MS = 15_000
const MEMORY = 64 * 2 ** 20
const PROTOCOL = '/meshsub/1.2.0'

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeAll(() => void process.on('unhandledRejection', note))
afterAll(() => void process.off('unhandledRejection', note))

interface Pair {
  victim: TestNode
  port: number
  /** One honest record; resolves with milliseconds until the victim has it */
  deliver: () => Promise<number>
}

async function pair(): Promise<Pair> {
  const swarm = await testSwarm()
  const [victim, honest] = [await testNode(), await testNode()]
  const intake = testIntake(swarm)
  const gossips = [victim, honest].map((node, i) =>
    createGossip({
      pubsub: node.libp2p.services.pubsub,
      swarm,
      receive: i === 0 ? intake.receive : testIntake(swarm).receive,
      verify,
      logger: node.libp2p.logger
    })
  )
  for (const gossip of gossips) await gossip.start()
  await connect(honest, victim)
  const { pubsub } = honest.libp2p.services
  await waitFor(pubsub, 'subscription-change', () => pubsub.getSubscribers(gossips[1]?.topic ?? '').length === 1)
  let seq = 0
  return {
    victim,
    port: Number(victim.libp2p.getMultiaddrs()[0]?.toString().split('/')[4]),
    deliver: async () => {
      const record = await testRecord(swarm, honest.key, seq++)
      const startedAt = performance.now()
      await gossips[1]?.publishRecord(record)
      await waitFor(intake.events, 'record', () => intake.records.size === seq)
      return performance.now() - startedAt
    }
  }
}

/** Send frames until the connection ends. Returns how many there were and milliseconds from the sixth to the end. */
async function flood(attacker: TestNode, victim: TestNode, frame: Uint8Array): Promise<{ sent: number; ms: number }> {
  await connect(attacker, victim)
  const stream: Stream = await attacker.libp2p.dialProtocol(victim.libp2p.peerId, PROTOCOL)
  let sent = 0
  let sixthAt = 0
  while (sent < FRAMES_EACH && stream.writeStatus === 'writable') {
    const more = stream.send(encodePrefix(frame.byteLength)) && stream.send(frame)
    sent++
    if (sent === 6) sixthAt = performance.now()
    if (!more) await stream.onDrain().catch(() => {}) // it was cut off
    else if (sent % 6 === 0) await setImmediate()
  }
  await waitFor(
    victim.libp2p,
    'peer:disconnect',
    () => victim.libp2p.getConnections(attacker.libp2p.peerId).length === 0
  )
  return { sent, ms: performance.now() - sixthAt }
}

async function open(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.on('connect', resolve)
  socket.on('close', resolve)
  socket.on('error', () => socket.destroy()) // too many at once are refused: that is what is wanted
  await promise
  return socket
}

/** Resolves when it is, by an end or an error. */
async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.on('close', () => resolve())
  await promise
}

test(`attackers with ${FRAMES} malformed frames are cut off, and every honest record arrives`, async () => {
  const { victim, deliver } = await pair()
  const quiet: number[] = []
  for (let i = 0; i < 20; i++) quiet.push(await deliver())
  const before = process.memoryUsage().rss
  const attackers = Math.ceil(FRAMES / FRAMES_EACH)
  const [times, busy]: [number[], number[]] = [[], []]
  let sent = 0
  const chance = seeded(1)
  for (let i = 0; i < attackers; i++) {
    const attacker = await testNode()
    const frame = i % 2 === 0 ? new Uint8Array(200).fill(0xff) : chance.bytes(300)
    const flooded = flood(attacker, victim, frame)
    for (let j = 0; j < 3; j++) busy.push(await deliver())
    const { sent: frames, ms } = await flooded
    sent += frames
    times.push(ms)
    expect(victim.conduct.isDenied(attacker.libp2p.peerId.toString()), `attacker ${i}`).toBe(true)
    await attacker.stop()
  }
  const grown = process.memoryUsage().rss - before
  figure('attackers', attackers)
  figure('frames sent before the end', sent)
  figure('slowest end, ms', Math.max(...times))
  figure('honest records', quiet.length + busy.length)
  figure('honest delivery p95, ms, before and during', `${p95(quiet).toFixed(0)} and ${p95(busy).toFixed(0)}`)
  figure('memory, MiB', grown / 2 ** 20)
  expect(Math.max(...times)).toBeLessThan(CUT_OFF_MS)
  // the attackers run in this process too, each a whole node
  expect(grown).toBeLessThan(MEMORY + attackers * 2 ** 20)
})

test(`${HANDSHAKES} connections with garbage for a handshake and ${STALLED} that stall are ended, and honest records arrive`, async () => {
  const { victim, port, deliver } = await pair()
  const chance = seeded(2)
  const before = process.memoryUsage().rss
  const greetings = [
    (): Uint8Array => chance.bytes(1 + chance.below(400)),
    (): Uint8Array => Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n'),
    (): Uint8Array => Buffer.concat([Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n'), chance.bytes(200)]),
    (): Uint8Array => Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  ]
  const delivered: number[] = []
  for (let i = 0; i < HANDSHAKES; i++) {
    const socket = await open(port)
    if (!socket.destroyed) socket.end(greetings[i % greetings.length]?.() ?? '')
    socket.resume()
    if (i % 100 === 99) delivered.push(await deliver())
  }
  const stalled: Socket[] = []
  const startedAt = performance.now()
  for (let i = 0; i < STALLED; i++) {
    const socket = await open(port)
    if (!socket.destroyed) socket.write('\x13/multi')
    stalled.push(socket.resume())
    if (i % 20 === 19) await pause(1000) // as many a second as one address may open
  }
  delivered.push(await deliver())
  await Promise.all(stalled.map(closed))
  const ms = performance.now() - startedAt
  const grown = process.memoryUsage().rss - before
  figure('bad handshakes', HANDSHAKES)
  figure('stalled', STALLED)
  figure('all stalled ended after, s', ms / 1000)
  figure('memory after handshakes, MiB', grown / 2 ** 20)
  for (let i = 0; i < 5; i++) delivered.push(await deliver())
  expect(ms - STALLED * 50).toBeLessThan(STALL_MS)
  expect(victim.libp2p.getConnections()).toHaveLength(1)
  expect(grown).toBeLessThan(MEMORY)
  await setImmediate()
  expect(unhandled).toEqual([])
})
