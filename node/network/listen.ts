/**
 * Checks addresses to listen on before libp2p uses them, because libp2p's errors name neither the configuration key nor the file.
 *
 * `listenFault` looks at the text only; `assertCanListen` binds each address for a moment, which detects ports in use and addresses that this machine
 * does not have. Only TCP is supported (libp2p.ts).
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import { InvalidInputError } from '../../src/errors.ts'

/** All IPv4 and IPv6 addresses, any free port. */
export const DEFAULT_LISTEN = listenOn(0)

const EXPECTED = 'expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT'
const RELAYED =
  'a node finds relays among the members by itself when it cannot be reached, so none is listed here; remove this address'
const MAX_PORT = 65_535
const HOSTS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

interface TcpAddress {
  host: string
  port: number
  isIpv6: boolean
}

/** All IPv4 and IPv6 addresses, one port. */
export function listenOn(port: number): string[] {
  return [`/ip4/0.0.0.0/tcp/${port}`, `/ip6/::/tcp/${port}`]
}

/** Can the port be bound on all addresses? */
export async function isPortFree(port: number): Promise<boolean> {
  try {
    await assertCanListen(listenOn(port), '')
    return true
  } catch (error) {
    if (error instanceof InvalidInputError) return false
    throw error
  }
}

/** Those for all addresses of the machine become one for each that its interfaces have now. */
export function interfaceAddresses(listen: readonly string[]): string[] {
  const found = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  // link-local addresses of IPv6 need the name of an interface and mean nothing elsewhere
  const of = (family: string): string[] =>
    found.filter(one => one.family === family && !one.address.startsWith('fe80:')).map(({ address }) => address)
  return listen.flatMap(text => {
    const [, family, port] = /^\/(ip4\/0\.0\.0\.0|ip6\/::)(\/tcp\/.*)$/.exec(text) ?? []
    if (family === undefined) return [text]
    return family.startsWith('ip4')
      ? of('IPv4').map(address => `/ip4/${address}${port}`)
      : of('IPv6').map(address => `/ip6/${address}${port}`)
  })
}

/** Why this node cannot listen on the address, or undefined. */
export function listenFault(text: string): string | undefined {
  const parsed = parse(text)
  return typeof parsed === 'string' ? parsed : undefined
}

/** Why the text is not an address that can be announced to others, or undefined. */
export function addressFault(text: string): string | undefined {
  const parsed = components(text)
  return typeof parsed === 'string' ? parsed : undefined
}

/**
 * Throws `InvalidInputError` for the first address that cannot be bound, naming it, the reason and the key `network.listen` of `configFile`.
 * An IPv6 address on a machine without IPv6 is left to libp2p, which continues with the others.
 */
export async function assertCanListen(addresses: readonly string[], configFile: string): Promise<void> {
  for (const text of addresses) {
    const parsed = parse(text)
    if (typeof parsed === 'string') throw new InvalidInputError(`"network.listen" of ${configFile}: ${text}: ${parsed}`)
    const reason = await bindFault(parsed)
    if (reason !== undefined)
      throw new InvalidInputError(`${reason} (${text}): choose another in "network.listen" of ${configFile}`)
  }
}

// --- internal ---

interface Component {
  readonly name: string
  readonly value?: string | undefined
}

/** The components of a multiaddr, or what is wrong with it. */
function components(text: string): readonly Component[] | string {
  const port = /\/(?:tcp|udp)\/(\d+)(?:\/|$)/.exec(text)?.[1]
  if (port !== undefined && Number(port) > MAX_PORT) return `port ${port} is not between 0 and ${MAX_PORT}`
  try {
    return multiaddr(text).getComponents()
  } catch (error) {
    return `not a multiaddr (${error instanceof Error ? error.message : String(error)}); ${EXPECTED}`
  }
}

function parse(text: string): TcpAddress | string {
  const all = components(text)
  if (typeof all === 'string') return all
  if (all.some(({ name }) => name === 'p2p-circuit')) return RELAYED
  const [host, tcp, ...rest] = all.filter(({ name }) => name !== 'ip6zone')
  if (host === undefined || !HOSTS.has(host.name) || tcp?.name !== 'tcp' || rest.length > 0) {
    const others = all.filter(({ name }) => !HOSTS.has(name) && name !== 'tcp').map(({ name }) => `/${name}`)
    return others.length === 0 ? EXPECTED : `only TCP is supported, not ${others.join('')}; ${EXPECTED}`
  }
  return { host: host.value ?? '', port: Number(tcp.value), isIpv6: host.name === 'ip6' }
}

async function bindFault({ host, port, isIpv6 }: TcpAddress): Promise<string | undefined> {
  const server = createServer()
  try {
    server.listen({ host, port, ipv6Only: isIpv6 })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return undefined
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return `port ${port} is taken by another program`
    if (code === 'EACCES') return `port ${port} requires privileges that this process does not have`
    if (isIpv6 && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) return undefined
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `this machine does not have the address ${host}`
    throw error
  }
}
