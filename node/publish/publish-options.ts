/**
 * Checks the options of `publish` against the limits of a manifest before a single image is read: hashing a dataset takes minutes, and the
 * manifest is made last.
 */
import { MAX_IMAGE_BYTES } from '../../src/distribute/image-kind.ts'
import { DEFAULT_IMAGE_LIMITS, type ImageLimits, MAX_IMAGE_PIXELS } from '../../src/distribute/image-limits.ts'
import {
  MAX_DIMENSION,
  MAX_MATRIX_BYTES,
  MAX_PARTITIONS,
  MAX_SHARED_ROWS,
  manifestSchema,
  MIN_DIMENSION,
  MIN_SHARED_ROWS,
  type Manifest
} from '../../src/distribute/manifest.ts'
import { FEW_ROWS } from '../../src/distribute/shared-size.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { Matrix32 } from '../../src/matrix.ts'
import { peerKeyOf } from '../../src/peer-key.ts'
import { publishOptionsSchema, type PublishOptions } from '../api/options.ts'

/** One other member: nobody's disk and nobody's word alone, and a swarm of two is complete. */
const DEFAULT_QUORUM = 1

/** Throws `InvalidInputError` naming the option. Returns who may add records. */
export function checkPublishOptions(options: PublishOptions): Manifest['admission'] {
  const { partitions, shared, dimension, allow } = options
  checkText('name', options.name)
  if (options.license !== undefined) checkText('license', options.license)
  checkWhole('partitions', partitions, 1, MAX_PARTITIONS)
  if (shared !== undefined) checkWhole('shared', shared, MIN_SHARED_ROWS, MAX_SHARED_ROWS)
  checkWhole('dim', dimension, MIN_DIMENSION, MAX_DIMENSION)
  if (shared !== undefined) checkMatrix(shared, dimension, 'the targets of the shared set')
  const { success, error } = publishOptionsSchema.safeParse(options)
  if (!success) {
    const [issue] = error.issues
    throw new InvalidInputError(`option "${issue?.path.join('.')}": ${issue?.message}`)
  }
  if (allow === undefined) return 'open'
  const admission = manifestSchema.shape.admission.safeParse([...new Set(allow)].map(peerKeyOf))
  if (!admission.success) throw new InvalidInputError('option "allow": 1 to 4096 peer ids')
  return admission.data
}

/**
 * What confirms work: by default one other member. In a swarm of known members each of them counts, in an open one each distinct prior that passed
 * the gate, since keys are free. Undefined where the author's records are enough.
 */
export function acceptanceOf({
  quorum = DEFAULT_QUORUM,
  allow
}: Pick<PublishOptions, 'quorum' | 'allow'>): Manifest['acceptance'] {
  return quorum === 0 ? undefined : { quorum, voters: allow === undefined ? 'priors' : 'members' }
}

/** `acceptanceOf` as a sentence, for whoever publishes. */
export function confirmedBy({ acceptance }: Pick<Manifest, 'acceptance'>): string {
  if (acceptance === undefined) return 'nobody: the records of its author finish work'
  const { quorum, voters } = acceptance
  const [members, priors, vouch] =
    quorum === 1
      ? ['member', 'another eligible prior', 'holds and checks']
      : ['members', 'distinct eligible priors', 'hold and check']
  const who = voters === 'members' ? `listed ${members}` : `${members} with ${priors}`
  return `${quorum} other ${who} that ${vouch} the work`
}

/** How large an image may be. Throws `InvalidInputError` naming the option. */
export function imageLimits(options: Pick<PublishOptions, 'maxPixels' | 'maxImageBytes'>): ImageLimits {
  const { maxPixels = DEFAULT_IMAGE_LIMITS.maxPixels, maxImageBytes: maxBytes = DEFAULT_IMAGE_LIMITS.maxBytes } =
    options
  checkWhole('max-pixels', maxPixels, 1, MAX_IMAGE_PIXELS)
  checkWhole('max-image-bytes', maxBytes, 1, MAX_IMAGE_BYTES)
  return { maxPixels, maxBytes }
}

/**
 * The default policy. A consensus of all priors makes the best students of the three, but changes with nearly every prior that joins: for known
 * members. An open swarm, which anyone may join at any time, uses corroboration, which elects good priors of photos, flowers and CIFAR-10
 * and, unlike the uniform value, neither whitened nor noisy ones (RESULTS.md).
 */
export function defaultPolicy({ allow }: Pick<PublishOptions, 'allow'>): NonNullable<PublishOptions['election']> {
  return allow === undefined ? 'corroboration' : 'consensus'
}

/** Can a manifest state this reference prior and the features of the shared set? Throws `InvalidInputError`. */
export function checkReferencePrior({ shared }: PublishOptions, dimension: number, name: string): void {
  if (!manifestSchema.shape.referenceFeatures.shape.source.safeParse(name).success)
    throw new InvalidInputError(
      `option "reference-prior": a manifest cannot state the name ${JSON.stringify(name)}: rename the file or its folder`
    )
  if (dimension > MAX_DIMENSION) {
    throw new InvalidInputError(
      `option "reference-prior": "${name}" has features of ${dimension} dimensions, at most ${MAX_DIMENSION} are allowed`
    )
  }
  if (shared !== undefined) checkMatrix(shared, dimension, `the features of the reference prior "${name}"`)
}

/**
 * What to tell a publisher about the sizes of a swarm, one sentence each. `featureDimension`: of the reference prior, the only prior known before
 * anybody joins.
 */
export function sizeAdvice(
  { dimension, referencePrior }: PublishOptions,
  { rows, samples, featureDimension }: { rows: number; samples: number; featureDimension: number }
): string[] {
  const advice: string[] = []
  const more = rows < samples ? ' (--shared)' : ', more than the dataset has'
  if (rows < FEW_ROWS)
    advice.push(
      `${rows} shared rows are few: some honest priors may be refused, and are told how many rows would show that they are honest; ` +
        `with ${FEW_ROWS} nearly all pass, with 1000 all that were tried${more}`
    )
  if (rows < 2 * dimension)
    advice.push(
      `${rows} shared rows for ${dimension} dimensions: alignment is better with ${2 * dimension} rows${more}, or with fewer dimensions (--dim)`
    )
  if (referencePrior !== undefined && featureDimension > dimension)
    advice.push(
      `the reference prior has ${featureDimension} dimensions, targets have ${dimension}: participants with priors like it lose some of what these know; ` +
        `--dim ${featureDimension} keeps all, at ${4 * featureDimension} instead of ${4 * dimension} bytes a row`
    )
  return advice
}

/** Throws `InvalidInputError` when all images have the same features: no candidate could pass a gate made of them. */
export function checkReferenceFeatures({ rows, columns, data }: Matrix32, name: string): void {
  for (let row = 1; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (data[row * columns + column] !== data[column]) return
    }
  }
  throw new InvalidInputError(
    `option "reference-prior": the features of "${name}" are the same for all ${rows} images of the shared set, so nothing could be ` +
      `judged by them; look at its preprocessing with "coopt prior check --image", or leave the option out to use the bundled prior`
  )
}

// --- internal ---

function checkText(option: 'name' | 'license', value: string): void {
  const checked = manifestSchema.shape[option].safeParse(value)
  if (checked.success) return
  throw new InvalidInputError(
    `option "${option}": 1 to 128 printable characters in one line (${checked.error.issues[0]?.message})`
  )
}

function checkWhole(option: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  const advice = value < least ? `${least} at least are needed` : `${most} at most are allowed`
  throw new InvalidInputError(`option "${option}": ${value} is out of range, ${advice}`)
}

function checkMatrix(rows: number, dimension: number, what: string): void {
  const bytes = rows * dimension * 4
  if (bytes <= MAX_MATRIX_BYTES) return
  throw new InvalidInputError(
    `option "shared": with ${rows} rows of ${dimension} dimensions ${what} take ${bytes} bytes, at most ${MAX_MATRIX_BYTES} are ` +
      `allowed: use ${Math.floor(MAX_MATRIX_BYTES / (4 * dimension))} rows or fewer`
  )
}
