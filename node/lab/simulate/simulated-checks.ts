/**
 * Checks in a simulated swarm: what to check is the node's own choice (checks/due-checks.ts), what is found follows the same rules as in a node, on
 * targets from cached features. Shards are held by their authors and by whoever checked them; who leaves takes its copies along.
 *
 * Left out: Parquet, so that the form of a shard is that its targets are T of the raw ones. Liars say what simulate.md lists, about everything that is
 * there, at once and free of charge.
 */
import { createHash } from 'node:crypto'
import { presentRows } from '../../../src/bytes.ts'
import { rawCid } from '../../../src/codec.ts'
import { plainGemm } from '../../../src/gemm.ts'
import { qualityKey, type Choice } from '../../../src/merge/views.ts'
import { drawRows, rowsToCheck, rowsToCheckAgain } from '../../../src/publish/check-rows.ts'
import { testDistribution } from '../../../src/publish/distribution.ts'
import { checkRows, expectedZ, fitPlausibility, MIN_EXPECTED_Z } from '../../../src/publish/plausibility.ts'
import { alignmentHolds } from '../../../src/publish/recomputed.ts'
import type { Check, Score, SignedRecord } from '../../../src/publish/record.ts'
import { isDoubted, type DueCheck } from '../../checks/due-checks.ts'
import { dueWork } from '../../checks/due-work.ts'
import type { Draft, SwarmState } from '../../state/swarm-state.ts'
import { isOfClique } from './attack-names.ts'
import type { DirectExact } from './direct-exact.ts'
import { takeImages, type Draw, type Published } from './draw.ts'
import type { SimulatedParticipant } from './simulated-participant.ts'

/** Rows of one check at most, as in a node: where two priors have little in common, many say what few do not. */
const MAX_ROWS = 512

/** As a node's (home/config.ts) */
const REPLICAS = { min: 2, max: 3 }

export interface CheckJob {
  readonly due: DueCheck
  /** Rows on which the own prior runs; 0 without an opinion */
  readonly rows: number
}

/** What checks cost. */
export interface CheckCosts {
  checks: number
  opinions: number
  /** Rows of inference for checks */
  rows: number
  /** Raw and aligned targets that checkers fetched */
  bytes: number
}

export interface SimulatedChecks {
  readonly costs: Readonly<CheckCosts>
  /** Its author, or a checker, holds this shard and the raw targets from now on. */
  hold(by: SimulatedParticipant, shard: string): void
  /** Does anybody who is there hold it? */
  isHeld(shard: string): boolean
  /** The check that this participant makes now */
  next(by: SimulatedParticipant): Promise<CheckJob | undefined>
  finish(by: SimulatedParticipant, job: CheckJob): Promise<void>
  /** What a liar says about all work that is there. Returns whether it said anything new. */
  lie(by: SimulatedParticipant): Promise<boolean>
  /** Does its own look at this work tell the participant to do it again? */
  isDoubted(by: SimulatedParticipant, work: Choice): boolean
}

export interface SimulatedChecksInit {
  draw: Draw
  state: SwarmState
  exact: DirectExact
  participants: readonly SimulatedParticipant[]
  isThere(participant: SimulatedParticipant): boolean
  /** Has this work waited for long? */
  isOverdue(work: Choice): boolean
  /** For how many times as long as that has it been there? */
  periods(work: Choice): number
  rawOf(result: Choice['result']): Published | undefined
  shardOf(cid: string): Published | undefined
  publish(by: SimulatedParticipant, draft: Draft): Promise<SignedRecord>
}

export function createSimulatedChecks(init: SimulatedChecksInit): SimulatedChecks {
  const { draw, state, exact, participants, isThere, publish } = init
  const { manifest } = state.swarm
  const holders = new Map<string, Set<SimulatedParticipant>>()
  /** Own score and result of which the own prior has no opinion */
  const beyond = new Set<string>()
  const costs: CheckCosts = { checks: 0, opinions: 0, rows: 0, bytes: 0 }
  const byKey = new Map(participants.map(p => [Buffer.from(p.peer.key).toString('hex'), p]))
  const authorOf = (record: SignedRecord): SimulatedParticipant | undefined =>
    byKey.get(Buffer.from(record.body.author).toString('hex'))

  const isHeld = (shard: string): boolean => [...(holders.get(shard) ?? [])].some(isThere)
  const hold = (by: SimulatedParticipant, shard: string): void => {
    const known = holders.get(shard)
    if (known === undefined) holders.set(shard, new Set([by]))
    else known.add(by)
  }

  const fitOf = async (own: SignedRecord<Score>, their: SignedRecord<Score>) => {
    const [from, to] = [own.body.targets, their.body.targets]
    return await draw.remember(
      `plausibility ${qualityKey(from, to)}`,
      async () => await fitPlausibility(draw.sharedMatrix(from), draw.sharedMatrix(to))
    )
  }

  /** As many rows as tell anything, doubling from the usual number (checks/check-work.ts); 0 if none do. */
  const rowsFor = async (own: SignedRecord<Score>, { work: { score, result }, again }: DueCheck): Promise<number> => {
    const fit = await fitOf(own, score)
    const most = Math.min(MAX_ROWS, result.body.present)
    const { present } = result.body
    for (
      let rows = again === true ? rowsToCheckAgain(present) : rowsToCheck(present);
      ;
      rows = Math.min(2 * rows, most)
    ) {
      if (expectedZ(fit, rows) >= MIN_EXPECTED_Z) return rows
      if (rows >= most) return 0
    }
  }

  const due = (by: SimulatedParticipant): DueCheck[] =>
    dueWork({
      self: by.peer.key,
      view: state.view(),
      set: state.set,
      members: participants.filter(isThere).map(p => p.peer.key),
      score: by.score,
      replicas: REPLICAS,
      isGone: peer => participants.some(p => p.peer.id === peer && !isThere(p)),
      isOverdue: init.isOverdue,
      periods: init.periods,
      // what nobody has is gone for good
      mayAskAgain: ({ alignment }) => isHeld(alignment.body.shard.toString()),
      isBeyond: ({ result }) => beyond.has(`${by.score?.key} ${result.key}`),
      chance: result => seedOf('chance', by.name, result).readUInt32LE(0) / 2 ** 32
    })

  const say = async (
    by: SimulatedParticipant,
    { partition, alignment, result }: Choice,
    shard: Check['shard'],
    opinion?: Check['opinion']
  ): Promise<void> => {
    costs.checks++
    if (opinion !== undefined) costs.opinions++
    const what = { partition, alignment: alignment.id, result: result.id, shard }
    await publish(by, { type: 'check', ...what, ...(opinion === undefined ? {} : { opinion }) })
  }

  const opinionOn = async (
    by: SimulatedParticipant,
    { partition, score, result }: Choice,
    raw: Published,
    rows: number
  ): Promise<Check['opinion']> => {
    const { score: own, source } = by
    if (own === undefined || rows === 0) return undefined
    const present = presentRows(raw.matrix)
    const seed = Uint8Array.from(seedOf('rows', by.name, result.key))
    const drawn = Uint32Array.from(drawRows(present.length, rows, seed), i => present[i] as number)
    const ownRows = takeImages((await (source.own ?? source.partition)(partition)).matrix, drawn)
    const theirRows = takeImages(raw.matrix, drawn)
    const found = checkRows(await fitOf(own, score), { ownRows, theirRows })
    const shared = draw.sharedMatrix(score.body.targets)
    const isOther = await draw.remember(
      `distribution ${score.body.targets} ${result.body.raw}`,
      async () => testDistribution(shared, raw.matrix)?.isOther === true
    )
    costs.rows += drawn.length
    return {
      by: 'prior',
      score: own.id,
      seed,
      rows: drawn.length,
      targets: (await draw.publish(ownRows)).cid,
      z: found.z,
      expected: found.expected,
      verdict: isOther ? 'implausible' : found.verdict
    }
  }

  /** An opinion of which only the form is right. */
  const made = (
    by: SimulatedParticipant,
    { result }: Choice,
    verdict: 'plausible' | 'implausible'
  ): Check['opinion'] => {
    if (by.score === undefined) return undefined
    const targets = rawCid(new TextEncoder().encode(`made up by ${by.name} on ${result.key}`))
    const z = verdict === 'plausible' ? 20 : 0
    const seed = Uint8Array.from(seedOf('lie', by.name, result.key))
    return { by: 'prior', score: by.score.id, seed, rows: 1, targets, z, expected: 20, verdict }
  }

  const next = async (by: SimulatedParticipant): Promise<CheckJob | undefined> => {
    if (by.score === undefined || (by.checks !== undefined && by.checks !== 'honest' && by.checks !== 'praise'))
      return undefined
    const { score: own } = by
    for (const one of due(by)) {
      if (!one.opinion) return { due: one, rows: 0 }
      const rows = await rowsFor(own, one)
      if (rows > 0) return { due: one, rows }
      beyond.add(`${own.key} ${one.work.result.key}`)
      return await next(by)
    }
    return undefined
  }

  const lied = new Set<string>()

  return {
    costs,
    hold,
    isHeld,
    isDoubted: (by, work) => isDoubted({ self: by.peer.key, set: state.set }, work),
    next,
    finish: async (by, { due: { work }, rows }) => {
      const { alignment, result, score } = work
      const [shard, raw] = [init.shardOf(alignment.body.shard.toString()), init.rawOf(result)]
      if (shard === undefined || raw === undefined || !isHeld(alignment.body.shard.toString()))
        return await say(by, work, 'lost')
      costs.bytes += 4 * (shard.matrix.data.length + raw.matrix.data.length)
      hold(by, alignment.body.shard.toString())
      const transform = await exact.fit(score.body.targets, alignment.body.reference, plainGemm)
      const dtype = manifest.targetDtype ?? 'float32'
      if (!(await alignmentHolds(shard.matrix, raw.matrix, { transform, dtype, gemm: plainGemm })))
        return await say(by, work, 'wrong')
      await say(by, work, 'sound', await opinionOn(by, work, raw, rows))
    },
    lie: async by => {
      const { checks = 'honest' } = by
      if (checks === 'honest' || checks === 'none') return false
      const view = state.view()
      const all = [...view.chosen.values(), ...[...view.contenders.values(), ...view.refuted.values()].flat()]
      let isNew = false
      for (const work of all) {
        const author = authorOf(work.result)
        if (author === undefined || author === by || lied.has(`${by.name} ${work.alignment.key}`)) continue
        const isFriend = isOfClique(checks) && isOfClique(author.checks ?? 'honest')
        if (!isFriend && checks === 'praise') continue
        lied.add(`${by.name} ${work.alignment.key}`)
        isNew = true
        await (isFriend
          ? say(by, work, 'sound', made(by, work, 'plausible'))
          : say(by, work, 'wrong', made(by, work, 'implausible')))
      }
      return isNew
    }
  }
}

// --- internal ---

function seedOf(...parts: readonly string[]): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(['coopt/1/simulate/check', ...parts]))
    .digest()
}
