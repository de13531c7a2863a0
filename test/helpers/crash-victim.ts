/** A participant that is killed with -9 again and again, and what has to hold of its log each time (crash.test.ts, `npm run torture`). */
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { type ApiEvent } from '../../node/api/events.ts'
import { joinReportSchema, mergeReportSchema, verifyReportSchema, type PublishReport } from '../../node/api/reports.ts'
import { homeAt } from '../../node/home/home.ts'
import { parseCid } from '../../src/codec.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import { resultOf, type Ended } from '../../scripts/coopt-process.ts'
import { loggedRecords, recordsOf, type ProcessNodes } from './process-node.ts'
import { IMAGES, priorPath, publishSwarm } from './sample-swarm.ts'

const BATCH = 40
/** Merges until nothing is provisional any more; each takes a second. */
const JUDGED_WITHIN = 20

export interface Crash {
  at: string
  /** What it was about to publish, or had just published */
  during: 'score' | 'result' | 'alignment' | 'merge'
}

/** Where it lives: the processes, the home of the publisher, which runs, and a folder of images */
export interface Scene {
  readonly nodes: ProcessNodes
  readonly publisher: string
  readonly images: string
}

/** One participant's life: what every one of its processes did, and what was in its log when it died. */
export function createVictim({ nodes, publisher, images }: Scene, name: string, partitions: number) {
  let home = { path: '', peer: '' }
  let swarm: PublishReport
  /** Rows done after each batch that was computed, by work, all lives together */
  const batches = new Map<string, number[]>()
  const logged = new Map<string, string>()

  /** None where it died before it had the manifest. */
  const own = async () => {
    const { manifest } = homeAt(home.path).swarm(parseCid(swarm.manifest))
    if (!existsSync(manifest)) return []
    return recordsOf(await loggedRecords(home.path, swarm.manifest), home.peer)
  }
  const batchOf = (event: ApiEvent): { work: string; done: number } | undefined => {
    if (event.type === 'scoring') return { work: 'shared set', done: event.done }
    return event.type === 'batch' ? { work: `partition ${event.partition}`, done: event.done } : undefined
  }
  const add = (work: string, done: number): void => void batches.set(work, [...(batches.get(work) ?? []), done])
  const note = (events: readonly ApiEvent[]): void => {
    for (const event of events) {
      const batch = batchOf(event)
      if (batch !== undefined) add(batch.work, batch.done)
    }
  }
  /** The batch behind which it was killed was not told, but it is in the journal. */
  const noteUntold = (events: readonly ApiEvent[]): void => {
    const started = events.findLast(e => e.type === 'partition')
    const work = started?.type === 'partition' ? `partition ${started.partition}` : 'shared set'
    add(work, (batches.get(work)?.at(-1) ?? 0) + BATCH)
  }

  /** What was in the log before is there still, nothing is numbered twice; returns what is new. */
  const check = async () => {
    const records = await own()
    const keys = records.map(r => r.key)
    expect(keys, 'records that were in the log').toEqual(expect.arrayContaining([...logged.keys()]))
    const numbers = records.map(r => r.body.seq)
    expect(new Set(numbers).size, 'a sequence number is used once').toBe(numbers.length)
    const fresh = records.filter(r => !logged.has(r.key))
    for (const { key, body } of records) logged.set(key, body.type)
    return fresh
  }
  const join = (failpoint?: string, ...more: string[]) =>
    nodes.start(
      home.path,
      ['join', swarm.invite, '--prior', priorPath('superclass2'), '--once', '--threads', '1', ...more],
      failpoint === undefined ? {} : { failpoint }
    )

  return {
    prepare: async () => {
      // far longer than a start takes: a fresh partition comes before the alignment of what waits
      home = await nodes.home(name, { batchSize: BATCH, timing: { settleMs: 1500 } })
      swarm = await publishSwarm(nodes, publisher, images, { name, partitions })
    },
    /** Live until the point, die there. Returns the kinds of the records that were logged without anybody being told. */
    dieAt: async ({ at, during }: Crash): Promise<string[]> => {
      const life = join(`${at}=kill`, ...(during === 'merge' ? [] : ['--max-partitions', '1']))
      const { signal, said } = await life.ended
      expect(signal, said).toBe('SIGKILL')
      note(life.events)
      if (at.startsWith('optimize:batch')) noteUntold(life.events)
      const fresh = await check()
      const told = life.events.flatMap(e => (e.type === 'published' ? [e.record] : []))
      const untold = fresh.filter(r => !told.includes(r.key)).map(r => r.body.type)
      if (at.startsWith('publish:blocks')) {
        const last = life.events.findLast(e => ['scoring', 'batch', 'alignment'].includes(e.type))
        expect(last?.type).toBe({ score: 'scoring', result: 'batch', alignment: 'alignment', merge: '' }[during])
      }
      return untold
    },
    /** Die while a batch is in flight, wherever that is. */
    dieAmidBatches: async (): Promise<SignedRecord[]> => {
      const life = join()
      await life.until(e => e.type === 'batch')
      life.kill('SIGKILL')
      await life.ended
      note(life.events)
      return await check()
    },
    /**
     * Die so many milliseconds after the start, whatever it does then. Returns whether it was alive by then, and the milliseconds until it first
     * said what it does.
     */
    dieAfter: async (ms: number): Promise<{ died: boolean; startMs: number | undefined }> => {
      const startedAt = performance.now()
      let startMs: number | undefined
      const life = join()
      life
        .until(() => true)
        .then(
          () => (startMs = performance.now() - startedAt),
          () => undefined // it died before
        )
      await Promise.race([life.ended, pause(ms)])
      life.kill('SIGKILL')
      const { signal } = await life.ended
      note(life.events)
      await check()
      return { died: signal === 'SIGKILL', startMs }
    },
    /** Live to the end: nothing is lost, and the publisher has it all. */
    finish: async (): Promise<{ batches: number; redone: number }> => {
      const life = join()
      const report = joinReportSchema.parse(resultOf(await life.ended, 'coopt'))
      note(life.events)
      await check()
      expect(report).toMatchObject({ complete: true })
      expect(tally([...logged.values()])).toEqual({ score: 1, result: partitions, alignment: partitions })
      // the publisher may still be judging the score that it was told last, and says so
      let merged = await nodes.run(publisher, mergeReportSchema, 'merge', swarm.invite)
      for (let again = 0; merged.provisional && again < JUDGED_WITHIN; again++)
        merged = await nodes.run(publisher, mergeReportSchema, 'merge', swarm.invite)
      expect(merged).toMatchObject({ mergedCid: report.mergedCid, rows: IMAGES, provisional: false })
      const known = recordsOf(await loggedRecords(publisher, swarm.manifest), home.peer).map(r => r.key)
      expect(known.sort()).toEqual([...logged.keys()].sort())
      const verified = await nodes.run(home.path, verifyReportSchema, 'verify', merged.mergedCid)
      expect(verified).toMatchObject({ ok: true })
      const all = [...batches.values()]
      return {
        batches: all.reduce((sum, done) => sum + new Set(done).size, 0),
        redone: all.reduce((sum, done) => sum + done.length - new Set(done).size, 0)
      }
    },
    /** `coopt merge` dies while it stores the directory; the next one has the same CID. */
    dieMerging: async (): Promise<{ mine: string; theirs: string }> => {
      const args = ['merge', swarm.invite, '--offline']
      const first: Ended = await nodes.start(home.path, args, { failpoint: 'merge#2=kill' }).ended
      expect(first.signal).toBe('SIGKILL')
      const mine = await nodes.run(home.path, mergeReportSchema, ...args)
      const theirs = await nodes.run(publisher, mergeReportSchema, 'merge', swarm.invite)
      return { mine: mine.mergedCid, theirs: theirs.mergedCid }
    }
  }
}

/** Before the log nothing may be left of a record, behind it everything. */
export const untoldAt = ({ at, during }: Crash): string[] => (/^publish:(log|announce)/.test(at) ? [during] : [])

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
