/** Ports of this node, and the addresses of an invite one by one: is a libp2p node behind each, and if not, why? */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { decodeInvite } from '../../src/distribute/invite.ts'
import type { Config } from '../home/config.ts'
import { assertCanListen } from '../network/listen.ts'
import { fail, failed, ok, warn, type Finding } from './finding.ts'

/** A handshake over a slow link takes about a second. */
const CONNECT_MS = 5000

/** What a libp2p listener says first: a length and the protocol of protocol negotiation. */
const HELLO = Buffer.from('\u0013/multistream/1.0.0\n')

/** `running`: the node is up and holds the ports itself */
export async function ports(config: Config, running: boolean): Promise<Finding[]> {
  const { listen, announce } = config.network
  const findings: Finding[] = []
  if (running) findings.push(ok('port', `the node listens on ${listen.join(', ')}`))
  else {
    try {
      await assertCanListen(listen, 'config.json')
      findings.push(ok('port', `${listen.join(', ')} can be used`))
    } catch (error) {
      findings.push(failed('port', error))
    }
  }
  const isLocal = listen.length > 0 && listen.every(address => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address))
  if (isLocal)
    findings.push(
      warn(
        'reachability',
        'the node listens on this machine only: no other machine can connect to it',
        'Set network.listen to /ip4/0.0.0.0/tcp/PORT.'
      )
    )
  else if (listen.some(address => /\/tcp\/0(\/|$)/.test(address)) && announce === undefined)
    findings.push(
      warn(
        'reachability',
        'the port changes with every start, so no router can forward it and invites grow old',
        'Fix it with a free port: coopt config set network.listen /ip4/0.0.0.0/tcp/24001'
      )
    )
  return findings
}

/** Every address of an invite, in its order. */
export async function inviteAddresses(invite: string): Promise<Finding[]> {
  let addresses: readonly string[]
  try {
    ;({ addresses } = decodeInvite(invite))
  } catch (error) {
    return [failed('invite', error)]
  }
  if (addresses.length === 0)
    return [
      warn(
        'invite',
        'it has no address, so members have to be found by other means',
        'Ask for an invite made while the node runs.'
      )
    ]
  return await Promise.all(addresses.map(async (address, i) => await tryAddress(address, `address ${i + 1}`)))
}

// --- internal ---

async function tryAddress(text: string, about: string): Promise<Finding> {
  const parts = multiaddr(text).getComponents()
  const host = parts.find(({ name }) => /^(ip4|ip6|dns|dns4|dns6)$/.test(name))?.value
  const port = Number(parts.find(({ name }) => name === 'tcp')?.value)
  const isRelay = parts.some(({ name }) => name === 'p2p-circuit')
  if (host === undefined || !(port > 0))
    return warn(about, `${text} is not a TCP address`, 'It is left out here; others may work.')
  const what = isRelay ? `the relay of ${text}` : text
  const began = performance.now()
  const outcome = await greet(host, port)
  const ms = Math.round(performance.now() - began)
  if (outcome === 'hello') return ok(about, `${what} answers after ${ms} ms`)
  const place = placeOf(host)
  if (outcome === 'other')
    return warn(
      about,
      `at ${what} something listens that is not an open libp2p node`,
      'With a private network, check that both have the same swarm.key.'
    )
  return fail(
    about,
    `${what} ${outcome}`,
    place ?? 'Is that node up, and is its port forwarded? Try its other addresses.'
  )
}

/** `hello` from a libp2p node, `other` from something else, or why there was no answer. */
async function greet(host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  const late = new AbortController()
  try {
    const { signal } = late
    const inTime = async <T>(work: Promise<T>): Promise<T | undefined> =>
      await Promise.race([work, pause(CONNECT_MS, undefined, { signal })])
    const connected = await inTime(once(socket, 'connect', { signal }))
    if (connected === undefined)
      return `does not answer within ${CONNECT_MS / 1000} s: a firewall or router drops the packets`
    socket.write(HELLO)
    const first = await inTime(once(socket, 'data', { signal }))
    const bytes = first?.[0] as Buffer | undefined
    return bytes?.subarray(0, HELLO.byteLength).equals(HELLO) === true ? 'hello' : 'other'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    if (code === 'ECONNREFUSED') return 'refuses: the machine is up, and nothing listens on that port'
    if (code === 'ENOTFOUND') return 'has a name that is not known'
    return `cannot be reached (${code})`
  } finally {
    late.abort()
    socket.destroy()
  }
}

/** Addresses that only work from somewhere else. */
function placeOf(host: string): string | undefined {
  if (/^(127\.|::1$|localhost$)/.test(host))
    return "This address is for the publisher's own machine: ask for an invite with a public one."
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe80)/i.test(host))
    return 'This address works in the network of the other node only: ask for an invite with a public one, or use a VPN.'
  return undefined
}
