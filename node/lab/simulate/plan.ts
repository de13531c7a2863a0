/**
 * PLAN.json of `coopt simulate`: images, priors, and configurations of a swarm (simulate.md explains each field).
 *
 * Parsing is strict: an unknown field, an unlisted prior or a name used twice is an error with its path and the reason.
 */
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { DEFAULT_GRID } from '../../../src/align/transform.ts'
import {
  manifestSchema,
  MAX_DIMENSION,
  MAX_PARTITIONS,
  MAX_SHARED_ROWS,
  MIN_DIMENSION,
  MIN_SHARED_ROWS
} from '../../../src/distribute/manifest.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { isSafeName } from '../../store/new-file.ts'
import { ATTACKS, CHECKERS, type Attack } from './attack-names.ts'

/** Plans are written by hand or by a script: a few pages. */
const MAX_PLAN_BYTES = 16 * 1024 * 1024
/** Configurations are run one after the other, and each has an output line. */
const MAX_CONFIGURATIONS = 10_000
const MAX_PARTICIPANTS = 512

const name = z.string().refine(isSafeName, 'a name has 1 to 128 of the characters A-Z a-z 0-9 . _ -')
const whole = (least: number, most: number) => z.number().int().min(least).max(most)

const participantSchema = z
  .strictObject({
    /** One of the plan's priors; an attacker that needs none may leave it out */
    prior: name.optional(),
    /** Default: the prior's name (and the attack's), numbered if it occurs twice */
    name: name.optional(),
    /** Rows per unit of virtual time, relative to the others */
    speed: z.number().min(0.001).max(1000).optional(),
    attack: z.enum(ATTACKS).optional(),
    /** blend: share of noise. Default 0.5 */
    weight: z.number().min(0).max(1).optional(),
    /** blend: noise is mixed into the prior's targets or the publisher's reference features. Default: the prior's */
    of: z.enum(['prior', 'reference']).optional(),
    /** Number of identities for the same attack */
    sybils: whole(1, 256).optional(),
    /** How it checks the work of others. Default: honest */
    checks: z.enum(CHECKERS).optional(),
    /** It leaves for good after so many published partitions; what it alone holds is lost then */
    leavesAfter: whole(1, MAX_PARTITIONS).optional()
  })
  .refine(
    p => p.prior !== undefined || canDoWithout(p),
    'lacks a prior, which is optional only for noise and for blend of the reference'
  )
  .refine(p => p.attack !== undefined || p.sybils === undefined, '"sybils" requires an attack')
  .refine(
    p => p.attack === 'blend' || (p.weight === undefined && p.of === undefined),
    '"weight" and "of" require the attack "blend"'
  )

const settingsSchema = z.strictObject({
  /** Number of images, the first of the seed's shuffle; all of them by default */
  rows: whole(MIN_SHARED_ROWS, Number.MAX_SAFE_INTEGER).optional(),
  partitions: whole(1, MAX_PARTITIONS),
  shared: whole(MIN_SHARED_ROWS, MAX_SHARED_ROWS),
  dimension: whole(MIN_DIMENSION, MAX_DIMENSION),
  seed: whole(0, Number.MAX_SAFE_INTEGER),
  policy: manifestSchema.shape.election.shape.policy,
  centred: z.boolean(),
  gate: z.boolean(),
  participants: z.array(participantSchema).min(1).max(MAX_PARTICIPANTS),
  alignTo: z.union([
    z.enum(['elected', 'best', 'medium', 'worst', 'none', 'random']),
    z.string().regex(/^prior:./, 'must be elected, best, medium, worst, none, random or prior:NAME')
  ]),
  rounds: whole(1, 1000),
  upgradeShare: z.number().min(0).max(1),
  upgrades: z.record(name, name),
  opinions: whole(1, 16),
  ridgeGrid: manifestSchema.shape.alignment.shape.grid,
  /** Members check each other's work, and so many must confirm it. Default: records of the author alone finish a partition */
  acceptance: manifestSchema.shape.acceptance.unwrap().omit({ checkers: true }).optional(),
  /** Adds human labels of the shared set and of this share of the partitions */
  human: z.strictObject({ share: z.number().min(0).max(1) }).optional()
})

const planSchema = z.strictObject({
  images: z.array(z.string().min(1)).min(1),
  labels: z.string().min(1).optional(),
  priors: z.record(name, z.string().min(1)),
  base: settingsSchema.partial().optional(),
  configs: z.array(settingsSchema.partial().extend({ name })).min(1).optional(),
  vary: z.partialRecord(settingsSchema.keyof(), z.array(z.unknown()).min(1)).optional()
})

export type Participant = z.infer<typeof participantSchema>
export type Settings = z.infer<typeof settingsSchema>

/** One configuration, which gives one output line. */
export interface Configuration {
  readonly name: string
  readonly settings: Settings
}

/** Paths are absolute. */
export interface Plan {
  readonly images: readonly string[]
  readonly labels?: string
  readonly priors: ReadonlyMap<string, string>
  readonly configurations: readonly Configuration[]
}

const DEFAULTS: Omit<Settings, 'participants'> = {
  partitions: 40,
  shared: 1000,
  dimension: 128,
  seed: 0,
  policy: 'uniformity',
  centred: false,
  gate: true,
  alignTo: 'elected',
  rounds: 1,
  upgradeShare: 0.2,
  upgrades: {},
  opinions: 1,
  ridgeGrid: [...DEFAULT_GRID]
}

/** Throws `InvalidInputError` naming the file, the place in it and the reason. */
export async function readPlan(path: string): Promise<Plan> {
  let value: unknown
  try {
    const { size } = await stat(path)
    if (size > MAX_PLAN_BYTES) throw new InvalidInputError(`${size} bytes; at most ${MAX_PLAN_BYTES} are accepted`)
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new InvalidInputError(
      `plan ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        cause
      }
    )
  }
  return parsePlan(value, dirname(resolve(path)))
}

/** `folder`: what the paths in the plan are relative to. Throws `InvalidInputError`. */
export function parsePlan(value: unknown, folder: string): Plan {
  const { images, labels, priors, base = {}, configs, vary = {} } = checked(planSchema, value, [])
  const list = configs ?? [{ name: 'base' }]
  const configurations: Configuration[] = []
  for (const [i, { name: head, ...overrides }] of list.entries()) {
    for (const { suffix, values } of product(vary)) {
      const at = configs === undefined ? ['base'] : ['configs', `${i}`]
      const where = suffix === '' ? at : [...at, `with vary ${suffix.slice(1)}`]
      const settings = checked(settingsSchema, { ...DEFAULTS, ...base, ...overrides, ...values }, where)
      checkReferences(settings, { priors, labels, where })
      const name = `${head}${suffix}`
      if (!isSafeName(name)) throw fault([...where, 'name'], `"${name}" cannot be used as a file name`)
      if (configurations.some(c => c.name === name)) throw fault([...where, 'name'], `"${name}" occurs twice`)
      configurations.push({ name, settings })
      if (configurations.length > MAX_CONFIGURATIONS)
        throw fault(['vary'], `more than ${MAX_CONFIGURATIONS} configurations`)
    }
  }
  return {
    images: images.map(path => resolve(folder, path)),
    ...(labels === undefined ? {} : { labels: resolve(folder, labels) }),
    priors: new Map(Object.entries(priors).map(([key, path]) => [key, resolve(folder, path)])),
    configurations
  }
}

// --- internal ---

function canDoWithout({ attack, of }: { attack?: Attack | undefined; of?: string | undefined }): boolean {
  return attack === 'noise' || (attack === 'blend' && of === 'reference')
}

function fault(path: readonly PropertyKey[], reason: string): InvalidInputError {
  return new InvalidInputError(`plan: ${path.length === 0 ? '' : `${path.map(String).join('.')}: `}${reason}`)
}

function checked<T extends z.ZodType>(schema: T, value: unknown, where: readonly string[]): z.infer<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw fault([...where, ...(issue?.path ?? [])], issue?.message ?? 'is not valid')
}

function checkReferences(
  { participants, alignTo, upgrades, human, shared, partitions, rows }: Settings,
  { priors, labels, where }: { priors: Record<string, string>; labels: string | undefined; where: readonly string[] }
): void {
  const checkPrior = (path: readonly PropertyKey[], prior: string): void => {
    if (!Object.hasOwn(priors, prior)) throw fault([...where, ...path], `prior "${prior}" is not in "priors"`)
  }
  const names = new Set<string>()
  for (const [i, { prior, name: own }] of participants.entries()) {
    if (prior !== undefined) checkPrior(['participants', i, 'prior'], prior)
    if (own === undefined) continue
    if (names.has(own)) throw fault([...where, 'participants', i, 'name'], `"${own}" occurs twice`)
    names.add(own)
  }
  if (alignTo.startsWith('prior:')) checkPrior(['alignTo'], alignTo.slice('prior:'.length))
  for (const [from, to] of Object.entries(upgrades)) {
    checkPrior(['upgrades', from], from)
    checkPrior(['upgrades', from], to)
  }
  if (human !== undefined && labels === undefined) throw fault([...where, 'human'], '"human" requires "labels"')
  if (rows !== undefined && rows < Math.max(shared, partitions))
    throw fault([...where, 'rows'], `${rows} rows are too few for ${shared} shared rows in ${partitions} partitions`)
}

/** All combinations of the values, the last key changing fastest. */
function product(vary: Readonly<Record<string, readonly unknown[] | undefined>>): { suffix: string; values: object }[] {
  let points: { suffix: string; values: object }[] = [{ suffix: '', values: {} }]
  for (const [key, values] of Object.entries(vary)) {
    if (values === undefined) continue
    points = points.flatMap(point =>
      values.map((value, i) => ({
        suffix: `${point.suffix}-${key}${isScalar(value) ? `${value}`.replaceAll(/[^A-Za-z0-9._-]/g, '_') : i}`,
        values: { ...point.values, [key]: value }
      }))
    )
  }
  return points
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
