/**
 * `config.json`: the operator's changes to the defaults. The file holds changed keys only, so that better defaults of a later version reach
 * every home; `{}` is a complete configuration.
 *
 * An unknown key or a wrong value is an error that names key, value and expectation: a misspelt limit that is ignored would be worse than none. The limits of the network (`network.limits`) and of the inference process
 * (`inference`) are described, with reasons, where they are used: network/limits.ts and inference/limits.ts.
 */
import { z } from 'zod'
import { InvalidInputError } from '../../src/errors.ts'
import type { Home } from './home.ts'
import { DEFAULT_LIMITS, type LocalLimits } from '../compute/inference/limits.ts'
import { DEFAULT_NETWORK_LIMITS, type NetworkLimits } from '../network/limits.ts'
import { addressFault, DEFAULT_LISTEN, listenFault } from '../network/listen.ts'
import { errorCode, nodeFileSystem, readFully, storeError, type FileSystem } from '../store/file-system.ts'

/** A file written by hand is some kilobytes. */
const MAX_CONFIG_BYTES = 256 * 1024

const MIB = 1024 * 1024
const milliseconds = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1) // what a Node timer can wait
const bytes = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const address = (fault: (text: string) => string | undefined) =>
  z
    .string()
    .max(512)
    .superRefine((text, ctx) => {
      const message = fault(text)
      if (message !== undefined) ctx.addIssue({ code: 'custom', message })
    })

/** Single limits by name, every other one as shipped. */
function someOf<K extends string>(defaults: Readonly<Record<K, number>>) {
  const limit = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).exactOptional()
  const names = Object.keys(defaults) as K[]
  return z
    .strictObject(Object.fromEntries(names.map(name => [name, limit])) as Record<K, typeof limit>)
    .default({} as never)
}

const storeSchema = z.strictObject({
  /** Most bytes of blocks. Unlimited: how much a node can hold is known by its operator only, and the floor below protects the disk. */
  maxBytes: bytes.exactOptional(),
  /** Free bytes left to the machine: room for the raw targets and logs of work in progress, and for other programs. */
  minFreeBytes: bytes.default(512 * MIB)
})

const networkSchema = z.strictObject({
  /** Multiaddrs to listen on: any free TCP port. Fix the port (`/ip4/0.0.0.0/tcp/4001`) where a router forwards it. */
  listen: z
    .array(address(listenFault))
    .max(32)
    .default(() => [...DEFAULT_LISTEN]),
  /** Multiaddrs to advertise instead of those found, for a node behind a forwarded port. */
  announce: z.array(address(addressFault)).max(32).exactOptional(),
  /** Find members on the local network by multicast DNS. */
  mdns: z.boolean().default(true),
  /** Relay for members that cannot be reached, if this node can be. */
  relay: z.boolean().default(true),
  /** Path of a `swarm.key` file in Kubo's format: only holders of the same key can connect. */
  swarmKey: z.string().min(1).exactOptional(),
  limits: someOf<keyof NetworkLimits>(DEFAULT_NETWORK_LIMITS)
})

const timingSchema = z.strictObject({
  /** To connect to a peer that probably has the content; over a slow link a handshake takes about a second. */
  reachMs: milliseconds.default(5000),
  /** To get one block of up to 2 MiB (100 KB/s), after which another provider is asked. */
  blockMs: milliseconds.default(20_000),
  /** Attempts at one block: bitswap loses a want now and then, and each attempt asks anew. */
  blockAttempts: z.number().int().min(1).max(100).default(5),
  /** How long a lease holds: a dead participant's partition is taken over after this. Three renewals fit in. */
  leaseMs: milliseconds.default(60_000),
  /** Mean pause between anti-entropy rounds: what gossip lost arrives two rounds later. */
  syncMs: milliseconds.default(10_000),
  /** Mean pause between searches for further members. */
  discoveryMs: milliseconds.default(30_000),
  /** How long a reference must have stood before targets are aligned to it: scores of peers that start together trickle in. */
  settleMs: milliseconds.default(3000),
  /** How long `join --once` waits for other members to replicate what it published before it exits. */
  handoffMs: milliseconds.default(60_000),
  /** How long `merge` waits for the records of other members. */
  catchUpMs: milliseconds.default(10_000)
})

const gatewaySchema = z.strictObject({
  /** Serve HTTP at all. */
  enabled: z.boolean().default(true),
  /** Address to listen on. The gateway does not authenticate: any address but loopback exposes the datasets to that whole network. */
  host: z.string().min(1).max(255).default('127.0.0.1'),
  /** TCP port. By default 18480, or any free port if that is taken, as by a second node on one machine. */
  port: z.number().int().min(1).max(65_535).exactOptional(),
  /** Serve everything in the store, not only content of this node's swarms. */
  any: z.boolean().default(false),
  /** Requests at once: a browser opens six connections, DuckDB one per thread. Each holds a few blocks of up to 2 MiB. */
  maxRequests: z.number().int().min(1).max(10_000).default(64),
  /** To get one block from another member; clients give up after about 30 s without a byte. */
  blockMs: milliseconds.default(20_000),
  /** Blocks kept in memory between requests: the leaves of a few dozen row groups that readers of Parquet come back to. 0 keeps none. */
  cacheBytes: bytes.default(64 * MIB)
})

/** What is a valid image is said by the manifest of its dataset and by nobody else. */
const { imagePixels: _pixels, imageBytes: _bytes, ...LOCAL_LIMITS } = DEFAULT_LIMITS

const configSchema = z.strictObject({
  store: storeSchema.prefault({}),
  network: networkSchema.prefault({}),
  timing: timingSchema.prefault({}),
  gateway: gatewaySchema.prefault({}),
  inference: someOf<keyof LocalLimits>(LOCAL_LIMITS),
  /** Images per inference: amortises the call, and is what a crash costs. 32 at 224 px are 19 MB of input. */
  batchSize: z.number().int().min(1).max(1024).default(32),
  /** Fetch what others publish, so that it survives them: `own` does for the swarms that this node published. */
  replicate: z.enum(['always', 'own', 'never']).default('own'),
  /** Most bytes of bundles (models of others, up to 2 GiB each) that are fetched so in one swarm: forty of 100 MB. 0 fetches none. */
  replicateBundleBytes: bytes.default(4096 * MIB)
})

/** With every default filled in. */
export type Config = z.output<typeof configSchema>

/** As written in the file. */
export type ConfigFile = z.input<typeof configSchema>

export const DEFAULT_CONFIG: Config = configSchema.parse({})

/** Check a configuration and fill in the defaults. Throws `InvalidInputError` naming `source`, key, value and expectation. */
export function parseConfig(value: unknown, source: string): Config {
  const checked = configSchema.safeParse(value)
  if (checked.success) return checked.data
  throw new InvalidInputError(`${source}: ${checked.error.issues.map(issue => explain(issue, value)).join('; ')}`)
}

/** Read `config.json`. Throws `InvalidInputError` when there is no home, or naming what is wrong in the file. */
export async function loadConfig(
  home: Pick<Home, 'root' | 'config'>,
  fs: FileSystem = nodeFileSystem
): Promise<Config> {
  let content: Uint8Array | undefined
  try {
    content = await readFully(fs, home.config, MAX_CONFIG_BYTES)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw storeError(error, 'read', home.config)
    throw new InvalidInputError(`there is no node in ${home.root}: run "coopt init --home ${home.root}" first`, {
      cause: error
    })
  }
  if (content === undefined) throw new InvalidInputError(`${home.config} is longer than ${MAX_CONFIG_BYTES} bytes`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${home.config} is not JSON (${reason}); {} is the default configuration`, { cause })
  }
  return parseConfig(value, home.config)
}

// --- internal ---

function explain(issue: z.core.$ZodIssue, value: unknown): string {
  const key = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map(name => `"${[...issue.path, name].join('.')}"`).join(', ')
    return `there is no key ${names}`
  }
  let found: unknown = value
  for (const step of issue.path) found = (found as Record<PropertyKey, unknown> | undefined)?.[step]
  return `${key === '' ? 'the file' : `"${key}"`} is ${JSON.stringify(found) ?? 'missing'}: ${issue.message}`
}
