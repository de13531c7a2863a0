/**
 * Whole nodes in one process: real homes, libp2p over TCP on loopback, Helia, and the inference processes. Tests reach the parts of a
 * node through its runtime; what they wait for are events.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { bundledPrior } from '../../node/priors/bundled.ts'
import type { ApiEvent } from '../../node/api/events.ts'
import type { JoinOptions, PublishOptions } from '../../node/api/options.ts'
import type { PublishReport } from '../../node/api/reports.ts'
import type { ConfigFile } from '../../node/home/config.ts'
import { nodeOf } from '../../node/create-node.ts'
import type { CoOptNode } from '../../node/api/api.ts'
import { initHome } from '../../node/home/init-home.ts'
import type { Membership } from '../../node/swarms/membership.ts'
import type { Network } from '../../node/network/network.ts'
import { openRuntime, type Runtime } from '../../node/runtime.ts'
import { makeSample } from '../../scripts/make-sample.ts'
import { rawCid } from '../../src/codec.ts'
import { cifarImages, cifarLabels, hasSharedData } from './cifar.ts'

export { bundledPrior }

/** The gate cannot be relied on below some 250 shared rows. */
export const SHARED = 300
export const IMAGES = 320
export const PARTITIONS = 4

const CONFIG = {
  network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] },
  timing: { leaseMs: 3000, settleMs: 500, syncMs: 1000, discoveryMs: 2000, handoffMs: 5000 },
  inference: {}
} satisfies ConfigFile

export interface TestNode {
  readonly node: CoOptNode
  readonly runtime: Runtime
  /** Of a node with a network */
  readonly network: Network
  readonly home: string
  readonly peer: string
  /** Events of all operations called through `join` and `publish` */
  readonly events: ApiEvent[]
  membership(manifest: string): Membership
  publish(images: string, options?: Partial<PublishOptions>): Promise<PublishReport>
  join(invite: string, prior: string, options?: Partial<JoinOptions>): ReturnType<CoOptNode['join']>
  /** Let what `join` began end after the batch in flight. */
  stop(): void
  /** The first event of this kind from now on, or one that has been. */
  until(isIt: (event: ApiEvent) => boolean): Promise<ApiEvent>
}

const late: Array<() => Promise<void> | void> = []
let isShared = false

/** What `make` opens is for all tests of a file: call it in `beforeAll`, and give `closeShared` to `afterAll`. */
export async function shared<T>(make: () => Promise<T>): Promise<T> {
  isShared = true
  try {
    return await make()
  } finally {
    isShared = false
  }
}

export async function closeShared(): Promise<void> {
  for (let close = late.pop(); close !== undefined; close = late.pop()) await close()
}

function atEnd(close: () => Promise<void> | void): void {
  if (isShared) late.push(close)
  else onTestFinished(close)
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-node-'))
  atEnd(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

/** A home and its node; closed and removed when the test is over. */
export async function startNode(config: ConfigFile = {}): Promise<TestNode> {
  const home = await temporaryFolder()
  await initHome(home, {
    ...CONFIG,
    ...config,
    network: { ...CONFIG.network, ...config.network },
    timing: { ...CONFIG.timing, ...config.timing }
  })
  return await openNode(home)
}

/** The node of a home that is there already. */
export async function openNode(home: string, options: { network?: boolean } = {}): Promise<TestNode> {
  const { network: online = true } = options
  const runtime = await openRuntime({ home, network: online, what: 'a test', onEvent: () => {} })
  const node = nodeOf(runtime)
  atEnd(async () => await node.close())
  const events: ApiEvent[] = []
  const waiting = new Set<(event: ApiEvent) => void>()
  const onEvent = (event: ApiEvent): void => {
    events.push(event)
    for (const tell of waiting) tell(event)
  }
  const controller = new AbortController()
  atEnd(() => controller.abort())
  return {
    node,
    runtime,
    get network() {
      if (runtime.network === undefined) throw new Error('this node has no network')
      return runtime.network
    },
    home,
    peer: node.peer,
    events,
    membership: manifest => {
      const found = runtime.swarms.get(manifest)
      if (found === undefined) throw new Error(`the node is not in swarm ${manifest}`)
      return found
    },
    publish: async (images, publishOptions = {}) =>
      await node.publish(
        images,
        {
          name: 'test',
          partitions: PARTITIONS,
          shared: SHARED,
          dimension: 80,
          election: 'uniformity',
          // most tests have one participant, whose work nobody could confirm
          quorum: 0,
          ...publishOptions
        },
        { onEvent }
      ),
    join: async (invite, prior, joinOptions = {}) =>
      await node.join(
        invite,
        { prior, once: true, threads: 1, ...joinOptions },
        { onEvent, signal: controller.signal }
      ),
    stop: () => controller.abort(),
    until: async isIt => {
      const past = events.find(isIt)
      if (past !== undefined) return past
      const { promise, resolve } = Promise.withResolvers<ApiEvent>()
      const tell = (event: ApiEvent): void => {
        if (isIt(event)) resolve(event)
      }
      waiting.add(tell)
      return await promise.finally(() => waiting.delete(tell))
    }
  }
}

export interface Picture {
  readonly bytes: Uint8Array
  /** What is on it: for the labels of people only */
  readonly kind: string
}

/** Pictures of the shared data set where it is present, else generated ones. */
export async function labelledPictures(count = IMAGES): Promise<Picture[]> {
  if (hasSharedData) {
    const kinds = cifarLabels()
    return cifarImages(count).map(({ id, bytes }) => ({ bytes, kind: kinds.get(id) ?? '' }))
  }
  const folder = await temporaryFolder()
  const { labels } = await makeSample(folder, { count })
  const kinds = new Map(labels.map(({ id, kind }) => [id, `${kind}`]))
  return await Promise.all(
    (await readdir(folder)).map(async name => {
      const bytes = new Uint8Array(await readFile(join(folder, name)))
      return { bytes, kind: kinds.get(rawCid(bytes).toString()) ?? '' }
    })
  )
}

/** A folder of pictures below folders and names that nobody else may learn. */
export async function pictures(count = IMAGES): Promise<string> {
  return await folderOf(await labelledPictures(count))
}

export async function folderOf(images: readonly Picture[]): Promise<string> {
  const folder = join(await temporaryFolder(), 'secret-folder-name')
  for (const half of ['a', 'b']) await mkdir(join(folder, `secret-class-${half}`), { recursive: true })
  for (const [i, { bytes }] of images.entries())
    await writeFile(join(folder, `secret-class-${i % 2 === 0 ? 'a' : 'b'}`, `secret-image-${i}.jpg`), bytes)
  return folder
}

/** What an operation left in the spool, apart from the working directories of inference processes that still run. */
export async function leftInSpool({ home }: Pick<TestNode, 'home'>): Promise<string[]> {
  return (await readdir(join(home, 'spool'))).filter(name => !name.startsWith('coopt-worker-'))
}

/** The path of a label file, as a participant with eyes would write it; kinds that are undefined are left out. */
export async function labelFile(labels: Iterable<{ bytes: Uint8Array; kind: string | undefined }>): Promise<string> {
  const lines = ['id,label']
  for (const { bytes, kind } of labels) if (kind !== undefined) lines.push(`${rawCid(bytes)},${kind}`)
  const path = join(await temporaryFolder(), 'labels.csv')
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** A folder of a model beside the preprocessing of the bundled ones (32 x 32 images). */
export async function priorFolder(model: Uint8Array): Promise<string> {
  const folder = join(await temporaryFolder(), 'noise')
  await mkdir(folder)
  await writeFile(join(folder, 'model.onnx'), model)
  await copyFile(join(bundledPrior('resnet20'), 'preprocessor_config.json'), join(folder, 'preprocessor_config.json'))
  return folder
}

/** Connect two nodes; resolves when both members know each other in this swarm. */
export async function dial(from: TestNode, to: TestNode): Promise<void> {
  await from.network.libp2p.dial(to.network.libp2p.getMultiaddrs())
}
