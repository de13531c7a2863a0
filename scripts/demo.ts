/**
 * The whole method on this machine: a publisher and four participants with different priors, each a process with its own home, over TCP on loopback.
 *
 *     npm run demo [-- --json] [--keep DIR]
 *
 * Ends with a table, or with --json one object on the last line of stdout. Exit code 1 if the peers do not agree on one CID.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { type ApiEvent } from '../node/api/events.ts'
import {
  joinReportSchema,
  mergeReportSchema,
  publishReportSchema,
  type MergeReport,
  type ReferenceReport
} from '../node/api/reports.ts'
import { eventText } from '../node/cli/event-text.ts'
import { shortId, textTable } from '../node/cli/text-table.ts'
import { bundledPrior } from '../node/priors/bundled.ts'
import { bundlePrograms } from './bundle-programs.ts'
import { coopt, startCoOpt, type CoOptProcess } from './coopt-process.ts'
import { makeSample, SAMPLE_COUNT } from './make-sample.ts'

/** Bundled once: reading the sources costs each of a dozen processes a second of CPU. In the checkout, where the packages are found */
const BUNDLE = join(import.meta.dirname, '..', '.cache', `demo-${process.pid}`)
const PROGRAM = { program: join(BUNDLE, 'cli.js'), env: { NODE_COMPILE_CACHE: join(BUNDLE, 'compiled') } }
/** Weak to strong */
const PARTICIPANTS = ['superclass2', 'simclr_conv', 'vgg_small', 'resnet20'] as const
const PARTITIONS = 16
/** Enough rows for a stable ridge fit into this many dimensions */
const SHARED = 600
const DIMENSION = 128
/** How often all merge again: once is enough unless another check comes meanwhile */
const MERGES = 3
/** The demo's peers are on this machine: other nodes on the network are not contacted */
const LOCAL = ['--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns']

export interface DemoReport {
  manifest: string
  reference: { peer: string; prior: string; uniformValue: number } | null
  mergedCid: string
  rows: number
  seconds: number
  peers: DemoPeer[]
}

export interface DemoPeer {
  peer: string
  prior: string
  uniformValue: number | null
  eligible: boolean | null
  looR2: number | null
  looCosine: number | null
  partitions: number
  mergedCid: string
}

const values = readOptions()
const started = performance.now()
const directory = values.keep === undefined ? await mkdtemp(join(tmpdir(), 'coopt-demo-')) : resolve(values.keep)
const running: CoOptProcess[] = []

const leave = async (): Promise<void> => {
  await Promise.all(running.splice(0).map(child => child.end()))
  await rm(BUNDLE, { recursive: true, force: true })
  if (values.keep === undefined) await rm(directory, { recursive: true, force: true })
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // children in the same terminal get Ctrl-C themselves; a second one ends this process at once
  process.once(signal, () => void leave().finally(() => process.exit(1)))
}

try {
  const report = await demo()
  const agreed = report.peers.every(peer => peer.mergedCid === report.mergedCid)
  console.log(values.json ? JSON.stringify(report) : reportText(report))
  if (!agreed) {
    say('demo', 'the peers do not agree')
    process.exitCode = 1
  }
} catch (error) {
  say('demo', error instanceof Error ? error.message : String(error))
  process.exitCode = 1
} finally {
  await leave()
}

// --- internal ---

function readOptions(): { json: boolean; keep?: string } {
  try {
    return parseArgs({ options: { json: { type: 'boolean', default: false }, keep: { type: 'string' } } }).values
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nusage: npm run demo [-- --json] [--keep DIR]`
    )
    return process.exit(2)
  }
}

async function demo(): Promise<DemoReport> {
  const publisher = join(directory, 'publisher')
  const images = join(directory, 'images')
  await mkdir(directory, { recursive: true })
  say('demo', `making the program, ${SAMPLE_COUNT} images and ${PARTICIPANTS.length + 1} homes`)
  const homes = [publisher, ...PARTICIPANTS.map(homeOf)]
  await Promise.all([bundlePrograms(BUNDLE), makeSample(images)])
  await Promise.all(homes.map(home => coopt(['init', ...LOCAL], z.unknown(), { ...PROGRAM, home })))

  // 1. a publisher turns the images into a swarm and keeps serving it
  await startDaemon(publisher)
  const sizes = ['--partitions', `${PARTITIONS}`, '--shared', `${SHARED}`, '--dim', `${DIMENSION}`]
  // the paper's policy: all participants are honest, and the table shows its figure
  const rules = ['--election', 'uniformity']
  const published = await coopt(['publish', images, '--name', 'demo', ...sizes, ...rules], publishReportSchema, {
    ...PROGRAM,
    home: publisher,
    onEvent: tell('publisher')
  })
  const { manifest, invite } = published
  say('publisher', `${published.samples} samples in ${published.partitions} partitions, swarm ${manifest}`)

  // 2. participants with different priors take part until every partition has aligned targets
  const joined = await Promise.all(
    PARTICIPANTS.map(async prior => {
      const home = homeOf(prior)
      const child = startCoOpt(['join', invite, '--prior', bundledPrior(prior), '--once', '--threads', '1'], {
        ...PROGRAM,
        home,
        onEvent: tell(prior)
      })
      running.push(child)
      const report = joinReportSchema.parse(await child.result)
      say(
        prior,
        report.complete ? `complete, took ${report.partitions} partitions` : 'left before the dataset was complete'
      )
      return { home, ...report }
    })
  )

  // 3. each left with the CID of the merged dataset; the first to join computes it again. Who left before a check came that changed it does, too
  const merge = async (home: string): Promise<MergeReport> =>
    await coopt(['merge', invite], mergeReportSchema, { ...PROGRAM, home })
  const [one] = joined
  if (one === undefined) throw new Error('no participants')
  let first = await merge(one.home)
  let cids = joined.map(({ mergedCid = '' }) => mergedCid)
  for (let again = 0; again < MERGES && cids.some(cid => cid !== first.mergedCid); again++) {
    say('demo', 'a check came after somebody had left; all merge again')
    const all = await Promise.all(joined.map(async ({ home }) => await merge(home)))
    first = all[0] ?? first
    cids = all.map(({ mergedCid }) => mergedCid)
  }
  if (first.provisional) throw new Error(`the dataset is not complete: coverage ${first.coverage}`)
  return {
    manifest,
    reference: first.reference === undefined ? null : pick(first.reference),
    mergedCid: first.mergedCid,
    rows: first.rows,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    peers: joined.map(({ peer, prior }, i) => demoPeer(first, peer, prior, cids[i] ?? ''))
  }
}

function homeOf(prior: string): string {
  return join(directory, prior)
}

async function startDaemon(home: string): Promise<void> {
  const ready = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up'], {
    ...PROGRAM,
    home,
    onEvent: event => event.type === 'listening' && ready.resolve()
  })
  running.push(daemon)
  daemon.result.then(() => ready.reject(new Error('the daemon left')), ready.reject)
  await ready.promise
}

function demoPeer({ peers }: MergeReport, peer: string, prior: string, mergedCid: string): DemoPeer {
  const row = peers.find(candidate => candidate.peer === peer)
  return {
    peer,
    prior: row?.prior ?? prior,
    uniformValue: row?.uniformValue ?? null,
    eligible: row?.eligible ?? null,
    looR2: row?.looR2 ?? null,
    looCosine: row?.looCosine ?? null,
    partitions: row?.partitions ?? 0,
    mergedCid
  }
}

/** The demo elects a winner: its reference has an author. */
function pick({ peer, prior, uniformValue }: ReferenceReport): NonNullable<DemoReport['reference']> {
  if (peer === undefined || uniformValue === undefined) throw new Error('the reference has no author')
  return { peer, prior, uniformValue }
}

function reportText({ manifest, reference, mergedCid, rows, seconds, peers }: DemoReport): string {
  const number = (value: number | null): string | undefined => value?.toFixed(4)
  const table = textTable(
    ['peer', 'prior', 'uniform', 'eligible', 'loo R2', 'loo cosine', 'partitions', 'merged CID'],
    peers.map(p => [
      shortId(p.peer),
      p.prior,
      number(p.uniformValue),
      p.eligible === null ? undefined : p.eligible ? 'yes' : 'no',
      number(p.looR2),
      number(p.looCosine),
      p.partitions,
      p.mergedCid
    ])
  )
  const elected =
    reference === null ? 'none' : `${reference.prior} of ${shortId(reference.peer)} (${number(reference.uniformValue)})`
  return [
    table,
    '',
    `swarm      ${manifest}`,
    `reference  ${elected}`,
    `merged     ${mergedCid}`,
    `rows       ${rows}`,
    `seconds    ${seconds}`
  ].join('\n')
}

function tell(who: string): (event: ApiEvent) => void {
  return event => {
    if (event.type === 'peer' || (event.type === 'log' && event.level === 'info')) return
    const text = eventText(event)
    if (text !== undefined) say(who, text)
  }
}

function say(who: string, text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stderr.write(`${seconds.padStart(6)} s  ${who.padEnd(11)}  ${text}\n`)
}
