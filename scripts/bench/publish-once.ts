/**
 * One publish, in a process of its own, by the code of any checkout (publish.ts starts it): prints one JSON line with seconds of each step, CPU seconds
 * and the id of the manifest. Keys and the seed are fixed, so that equal code makes equal manifests.
 */
import crypto, { createPrivateKey, createPublicKey, sign as ed25519Sign } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ApiEvent } from '../../node/api/events.ts'
import type * as ContentModule from '../../node/content/content.ts'
import type * as Config from '../../node/home/config.ts'
import type * as Bundled from '../../node/priors/bundled.ts'
import type * as Memory from '../../node/process/external-memory.ts'
import type * as Publish from '../../node/publish/publish-swarm.ts'
import type * as Store from '../../node/store/durable-blockstore.ts'

export interface PublishTask {
  /** Checkout whose code runs */
  readonly root: string
  /** What is published */
  readonly source: string
  /** Existing folder for the store and the spool */
  readonly scratch: string
  readonly partitions: number
  readonly shared: number
}

export interface PublishFigures {
  readonly images: number
  /** Of all images in the source, as far as they are in partitions */
  readonly bytes: number
  readonly seconds: number
  /** User and system time of this process and of the inference processes */
  readonly cpuSeconds: number
  /** Seconds until the last event of each step, from the last event of the one before; `start` until the first images are in */
  readonly steps: Readonly<Record<string, number>>
  readonly manifest: string
}

const SEED_BYTES = 32
/** Kernel ticks of /proc/PID/stat: 100 a second on every Linux that Node runs on */
const TICKS = 100

const task = JSON.parse(process.argv[2] ?? '') as PublishTask
fixSeed()
const folder = await mkdtemp(join(task.scratch, 'publish-'))
try {
  console.log(JSON.stringify(await publish(task, folder)))
} finally {
  await rm(folder, { recursive: true, force: true })
}

// --- internal ---

async function publish({ root, source, partitions, shared }: PublishTask, home: string): Promise<PublishFigures> {
  const of = async <T>(path: string): Promise<T> => (await import(pathToFileURL(join(root, path)).href)) as T
  const { publishSwarm } = await of<typeof Publish>('node/publish/publish-swarm.ts')
  const { createContent } = await of<typeof ContentModule>('node/content/content.ts')
  const { DurableBlockstore } = await of<typeof Store>('node/store/durable-blockstore.ts')
  const { bundledPrior } = await of<typeof Bundled>('node/priors/bundled.ts')
  const { DEFAULT_CONFIG } = await of<typeof Config>('node/home/config.ts')
  const { countBuffersAsHeap } = await of<typeof Memory>('node/process/external-memory.ts')
  countBuffersAsHeap() // as `coopt` does
  const store = await DurableBlockstore.open({ path: join(home, 'blocks') })
  const content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
  const ends = new Map<string, number>()
  const started = performance.now()
  const { swarm } = await publishSwarm(
    {
      ...publisher(),
      content,
      limits: DEFAULT_CONFIG.inference,
      batchSize: DEFAULT_CONFIG.batchSize,
      spool: join(home, 'spool'),
      untrainedPrior: bundledPrior('untrained'),
      onEvent: (event: ApiEvent) => {
        if (event.type !== 'building') return
        if (ends.size === 0) ends.set('start', performance.now())
        ends.set(event.step, performance.now())
      },
      signal: new AbortController().signal
    },
    source,
    { name: 'bench', partitions, shared, dimension: 64 }
  )
  const seconds = (performance.now() - started) / 1000
  await store.close()
  let before = started
  const steps: Record<string, number> = {}
  for (const [step, end] of ends) {
    steps[step] = (end - before) / 1000
    before = end
  }
  return {
    images: swarm.manifest.samples,
    bytes: swarm.manifest.partitions.reduce((sum, partition) => sum + partition.bytes, 0),
    seconds,
    cpuSeconds: await cpuSeconds(),
    steps,
    manifest: swarm.id.toString()
  }
}

/** The seed of a manifest is the only draw of 32 bytes: names of temporary files stay random. */
function fixSeed(): void {
  const draw = crypto.randomBytes
  const fixed = (size: number): Buffer => (size === SEED_BYTES ? Buffer.alloc(SEED_BYTES, 7) : draw(size))
  crypto.randomBytes = fixed as typeof draw
  syncBuiltinESMExports()
}

function publisher() {
  // RFC 8410: a private key of Ed25519 in DER is this prefix and 32 bytes
  const key = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(SEED_BYTES, 9)])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  const self = new Uint8Array(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES))
  return { self, sign: (message: Uint8Array): Uint8Array => new Uint8Array(ed25519Sign(null, message, privateKey)) }
}

/** Children that have ended are counted: the inference processes have. Elsewhere than on Linux this process alone. */
async function cpuSeconds(): Promise<number> {
  const { user, system } = process.cpuUsage()
  if (process.platform !== 'linux') return (user + system) / 1e6
  const stat = await readFile('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // utime, stime, cutime, cstime: proc(5), fields 14 to 17
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / TICKS, 0)
}
