/**
 * `config.json`: the operator's changes to the defaults. The file holds changed keys only, so that better defaults of a later version reach
 * every home; `{}` is a complete configuration.
 *
 * An unknown key or a wrong value is an error that names key, value and expectation: a misspelt limit that is ignored would be worse than none.
 * Every key states its meaning here, or, for `network.limits` and `inference`, in network/limits.ts and inference/limits.ts: `coopt config`
 * and config.md print them (config-keys.ts).
 */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { DEVICE_SYNTAX, deviceFault, isDeviceText } from '../api/device-name.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Home } from './home.ts'
import { DEFAULT_LIMITS, LOCAL_LIMIT_MEANINGS, type LocalLimits } from '../compute/inference/limits.ts'
import { DEFAULT_NETWORK_LIMITS, NETWORK_LIMIT_MEANINGS, type NetworkLimits } from '../network/limits.ts'
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

/** Keys for single limits by name, every other one as shipped. */
function limitsOf<K extends string>(defaults: Readonly<Record<K, number>>, meanings: Readonly<Record<K, string>>) {
  const limit = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).exactOptional()
  const names = Object.keys(defaults) as K[]
  const described = names.map(name => [name, limit.meta({ description: meanings[name], shipped: defaults[name] })])
  return Object.fromEntries(described) as Record<K, typeof limit>
}

const storeSchema = z.strictObject({
  maxBytes: bytes
    .exactOptional()
    .describe(
      'Most bytes of blocks. Unlimited: how much a node can hold is known by its operator only, and the floor below protects the disk.'
    ),
  minFreeBytes: bytes
    .default(512 * MIB)
    .describe(
      'Free bytes left to the machine: room for the raw targets and logs of work in progress, and for other programs.'
    ),
  collect: z
    .boolean()
    .default(true)
    .describe(
      'Free what no swarm and no pin needs when space runs out: above 90 % of maxBytes, or below twice minFreeBytes of free space.'
    )
})

const networkSchema = z.strictObject({
  listen: z
    .array(address(listenFault))
    .max(32)
    .default(() => [...DEFAULT_LISTEN])
    .describe(
      'Multiaddrs to listen on, TCP only. `coopt init` writes all addresses of the machine with one port, free when it was drawn: the one that a router has to forward. Without the key any free port, another at each start.'
    ),
  announce: z
    .array(address(addressFault))
    .max(32)
    .exactOptional()
    .describe(
      'Multiaddrs to advertise instead of those found, for a node behind a forwarded port (remapped ones too).'
    ),
  mdns: z.boolean().default(true).describe('Find members on the local network by multicast DNS.'),
  relay: z
    .boolean()
    .default(true)
    .describe('Relay for members that cannot be reached, if this node can be; within `network.limits.relay…`.'),
  swarmKey: z
    .string()
    .min(1)
    .exactOptional()
    .describe("Path of a `swarm.key` file in Kubo's format: only holders of the same key can connect."),
  limits: z.strictObject(limitsOf<keyof NetworkLimits>(DEFAULT_NETWORK_LIMITS, NETWORK_LIMIT_MEANINGS)).default({})
})

const timingSchema = z.strictObject({
  reachMs: milliseconds
    .default(5000)
    .describe('To connect to a peer that probably has the content; over a slow link a handshake takes about a second.'),
  blockMs: milliseconds
    .default(20_000)
    .describe('To get one block of up to 2 MiB (100 KB/s), after which another provider is asked.'),
  blockAttempts: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe('Attempts at one block: bitswap loses a want now and then, and each attempt asks anew.'),
  leaseMs: milliseconds
    .default(60_000)
    .describe(
      "How long a lease holds: a dead participant's partition is taken over after this. Three renewals fit in."
    ),
  syncMs: milliseconds
    .default(10_000)
    .describe('Mean pause between anti-entropy rounds: what gossip lost arrives two rounds later.'),
  discoveryMs: milliseconds.default(30_000).describe('Mean pause between searches for further members.'),
  settleMs: milliseconds
    .default(3000)
    .describe(
      'How long a reference must have stood before targets are aligned to it: scores of peers that start together trickle in.'
    ),
  handoffMs: milliseconds
    .default(60_000)
    .describe('How long `join --once` waits for other members to replicate what it published before it exits.'),
  patienceMs: milliseconds
    .default(600_000)
    .describe(
      'How long `join --once` stays with a complete dataset, in all, while other peers compute the scores of their priors or improve what clearly weaker priors did.'
    ),
  listenMs: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(30_000)
    .describe(
      'How long a home that was restored or copied listens for another process with its identity before it publishes: longer than the pause between two renewals of a lease. 0: never, for a home that is certainly the only one.'
    ),
  goneMs: milliseconds
    .default(3_600_000)
    .describe(
      'How long a member may be away before what it holds does not count as a copy (`replicas`): longer than a restart or a line that fails. Doubled for each member beyond `replicas.max` that vouched for the shard.'
    ),
  keepMs: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(120_000)
    .describe(
      'Pause between two pieces of work that this node vouched for and reads again: 100 MB each are less than 1 MB/s, and 700 have their turn in a day. 0: never, where something else watches the disk.'
    ),
  catchUpMs: milliseconds.default(10_000).describe('How long `merge` waits for the records of other members.')
})

const replicasSchema = z
  .strictObject({
    min: z
      .number()
      .int()
      .min(0)
      .max(64)
      .default(2)
      .describe(
        'Fewest members, its author among them, that should hold a confirmed shard; below it this node makes a copy when it is its turn. 0 makes none.'
      ),
    max: z
      .number()
      .int()
      .min(0)
      .max(64)
      .default(3)
      .describe(
        'Below `replicas.min`, copies are made until so many hold it: one member that leaves is not a reason to begin again.'
      )
  })
  .refine(({ min, max }) => min <= max, { path: ['max'], message: 'expected at least as many as `replicas.min`' })

const gatewaySchema = z.strictObject({
  enabled: z.boolean().default(true).describe('Serve HTTP at all.'),
  host: z
    .string()
    .min(1)
    .max(255)
    .default('127.0.0.1')
    .describe(
      'Address to listen on. The gateway does not authenticate: any address but loopback exposes the datasets to that whole network.'
    ),
  port: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .exactOptional()
    .describe('TCP port. By default 18480, or any free port if that is taken, as by a second node on one machine.'),
  any: z.boolean().default(false).describe("Serve everything in the store, not only content of this node's swarms."),
  status: z
    .boolean()
    .default(true)
    .describe('Also serve what this node is doing: the page at /, /metrics, /livez and /readyz.'),
  names: z
    .array(z.string().min(1).max(255))
    .max(32)
    .default([])
    .describe(
      'Host names under which that may be asked for, such as that of a proxy. IP addresses and names without a dot always may.'
    ),
  maxRequests: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(64)
    .describe(
      'Requests at once: a browser opens six connections, DuckDB one per thread. Each holds a few blocks of up to 2 MiB.'
    ),
  blockMs: milliseconds
    .default(20_000)
    .describe('To get one block from another member; clients give up after about 30 s without a byte.'),
  cacheBytes: bytes
    .default(64 * MIB)
    .describe(
      'Blocks kept in memory between requests: the leaves of a few dozen row groups that readers of Parquet come back to. 0 keeps none.'
    )
})

/** What is a valid image is said by the manifest of its dataset and by nobody else. */
const { imagePixels: _pixels, imageBytes: _bytes, ...LOCAL_LIMITS } = DEFAULT_LIMITS

const inferenceSchema = z.strictObject({
  device: z
    .string()
    .superRefine((text, ctx) => {
      if (!isDeviceText(text)) ctx.addIssue({ code: 'custom', message: deviceFault(text) })
    })
    .exactOptional()
    .meta({
      description: `Where \`join\` and \`prior check\` run models unless --device says: ${DEVICE_SYNTAX}. The CPU, because devices differ by rounding and what a prior gives must not change by itself (priors.md). \`coopt device\` shows what works.`,
      shipped: 'cpu'
    }),
  libraryFolder: z
    .string()
    .refine(isAbsolute, 'expected an absolute path')
    .exactOptional()
    .describe(
      "Folder with the libraries that ONNX Runtime's package does not have, for cuda and tensorrt on Linux (priors.md). They run in the inference process."
    ),
  ...limitsOf<keyof LocalLimits>(LOCAL_LIMITS, LOCAL_LIMIT_MEANINGS)
})

export const configSchema = z.strictObject({
  store: storeSchema.prefault({}),
  network: networkSchema.prefault({}),
  timing: timingSchema.prefault({}),
  gateway: gatewaySchema.prefault({}),
  inference: inferenceSchema.default({}),
  batchSize: z
    .number()
    .int()
    .min(1)
    .max(1024)
    .default(32)
    .describe('Images per inference: amortises the call, and is what a crash costs. 32 at 224 px are 19 MB of input.'),
  replicate: z
    .enum(['always', 'own', 'never'])
    .default('own')
    .describe(
      'Fetch all that others publish, checked or not, so that it survives them: `own` does for the swarms that this node published. Beside the copies of `replicas`.'
    ),
  replicas: replicasSchema.prefault({}),
  replicateBundleBytes: bytes
    .default(4096 * MIB)
    .describe(
      'Most bytes of bundles (models of others, up to 2 GiB each) that are fetched so in one swarm: forty of 100 MB. 0 fetches none.'
    )
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
  return parseConfig(await readJsonFile(home, fs), home.config)
}

/** What the file holds, without the defaults. Errors as above. */
export async function readConfigFile(home: Pick<Home, 'root' | 'config'>): Promise<Record<string, unknown>> {
  const value = await readJsonFile(home, nodeFileSystem)
  parseConfig(value, home.config)
  return value as Record<string, unknown>
}

// --- internal ---

async function readJsonFile(home: Pick<Home, 'root' | 'config'>, fs: FileSystem): Promise<unknown> {
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
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidInputError(`${home.config} is not JSON (${reason}); {} is the default configuration`, { cause })
  }
}

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
