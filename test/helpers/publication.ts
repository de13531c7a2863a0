/**
 * What a participant does on its disk for each record (node/participant/publish-step.ts), on a simulated one: rows into the journal, blocks, barrier,
 * sequence number, synced log. And what has to hold of a disk afterwards.
 */
import type { CID } from 'multiformats/cid'
import { DurableBlockstore } from '../../node/store/durable-blockstore.ts'
import { openProgress } from '../../node/store/progress-journal.ts'
import { openRecordLog } from '../../node/store/record-log.ts'
import { openSequence } from '../../node/store/sequence.ts'
import { rawCid } from '../../src/codec.ts'
import { collect } from './collect.ts'
import { seeded } from './seeded.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const BLOCKS = '/home/blocks'
const SWARM = '/home/swarm'
const ROWS = 4
const COLUMNS = 3
/** Rows of the journal before the first of them are synced are never many here: a cut may lose all of them. */
const BATCH = 2
const BLOCKS_EACH = 2

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface Publication {
  readonly number: number
  readonly blocks: readonly Block[]
}

/** What was promised before the disk failed */
export interface Promised {
  /** `publish` resolved: they are in the log, and their blocks are there */
  readonly published: readonly Publication[]
  /** Numbers that were handed out, whether or not their record was logged */
  readonly issued: readonly number[]
}

/** Put in on purpose, to see that it is found: steps that a participant must not leave out. */
export type LeftOut = 'the barrier' | 'the sync of the log' | 'the sequence file'

export interface PublishingDisk {
  readonly promised: Promised
  /** One whole publication; rejects with what the disk said. What was begun can be begun again. */
  publish(which: number): Promise<void>
  close(): Promise<void>
}

const content = (which: number): Block[] =>
  Array.from({ length: BLOCKS_EACH }, (_, i) => {
    const bytes = seeded(100 * which + i).bytes(300 + 400 * i)
    return { bytes, cid: rawCid(bytes) }
  })
const rowsOf = (which: number): Float32Array =>
  Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => 1000 * which + i)
const recordBytes = (number: number, which: number): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ number, which }))

/** A disk with the durable, empty directory of a swarm, as joining leaves it. */
export async function emptyDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  await disk.mkdir(SWARM)
  const home = await disk.open('/home', 'r')
  await home.sync()
  await home.close()
  return disk
}

/** Open everything a participant opens. Rejects with what the disk said; nothing stays open then. */
export async function openPublishing(
  disk: SimulatedDisk,
  before: Promised = { published: [], issued: [] },
  leftOut?: LeftOut
): Promise<PublishingDisk> {
  const published = [...before.published]
  const issued = [...before.issued]
  let known = 0
  const store = await DurableBlockstore.open({ path: BLOCKS, fs: disk })
  const sequence = await openSequence(`${SWARM}/sequence`, { fs: disk })
  const log = await openRecordLog(`${SWARM}/records.log`, {
    fs: disk,
    replay: bytes => {
      const { number } = parsed(bytes)
      known = Math.max(known, number + 1)
    }
  })
  return {
    promised: { published, issued },
    publish: async which => {
      const journal = await openProgress(`${SWARM}/${which}.progress`, { rows: ROWS, columns: COLUMNS, fs: disk })
      try {
        const wanted = rowsOf(which)
        for (let row = journal.done; row < ROWS; row += BATCH)
          await journal.append(wanted.slice(row * COLUMNS, (row + BATCH) * COLUMNS))
        const rows = await journal.read()
        if (!rows.every((value, i) => value === wanted[i])) throw new Error(`rows of ${which} are others`)
      } catch (error) {
        await journal.close().catch(() => undefined) // the first error is the one that counts
        throw error
      }
      await journal.close()
      const blocks = content(which)
      for (const { cid, bytes } of blocks) await store.put(cid, bytes)
      if (leftOut !== 'the barrier') await store.barrier()
      const number = leftOut === 'the sequence file' ? known : await sequence.next(known)
      if (issued.includes(number)) throw new Error(`number ${number} was issued twice`)
      issued.push(number)
      await log.append(recordBytes(number, which), { sync: leftOut !== 'the sync of the log' })
      known = number + 1
      published.push({ number, blocks })
    },
    close: async () => await log.close()
  }
}

/**
 * Open what is left of a disk. Throws unless every promised record is in the log once, its blocks are there, no block has wrong bytes, and the next
 * number was never issued. Then publishes `which`, which has to work.
 */
export async function checkDisk(disk: SimulatedDisk, promised: Promised, which: number): Promise<void> {
  const logged: number[] = []
  const log = await openRecordLog(`${SWARM}/records.log`, {
    fs: disk,
    replay: bytes => void logged.push(parsed(bytes).number)
  })
  await log.close()
  if (new Set(logged).size !== logged.length) throw new Error(`numbers twice in the log: ${logged.join()}`)
  const store = await DurableBlockstore.open({ path: BLOCKS, fs: disk })
  for (const { number, blocks } of promised.published) {
    if (!logged.includes(number)) throw new Error(`record ${number} was published and is lost`)
    for (const { cid, bytes } of blocks) {
      const [read] = await collect(store.get(cid))
      if (read === undefined || Buffer.compare(read, bytes) !== 0) throw new Error(`block of record ${number} is lost`)
    }
  }
  for (const { cid, bytes } of content(which)) {
    const found = await collect(store.get(cid)).catch((error: Error) => error.name)
    if (found !== 'NotFoundError' && Buffer.compare(Buffer.concat(found as Uint8Array[]), bytes) !== 0)
      throw new Error(`block ${cid} has wrong bytes`)
  }
  const again = await openPublishing(disk, promised)
  await again.publish(which)
  await again.close()
}

// --- internal ---

function parsed(bytes: Uint8Array): { number: number } {
  return JSON.parse(new TextDecoder().decode(bytes)) as { number: number }
}
