/** Options and report of `evaluate`: a merged dataset measured with labels that no participant saw. See api.ts. */
import { z } from 'zod'
import { PRIOR_KINDS } from '../../src/optimize/prior-kind.ts'

const count = z.number().int().nonnegative()
const text = z.string().min(1).max(16_384)
const paths = z.array(text).min(1).max(256)

/** Paths are absolute. */
export const evaluateOptionsSchema = z.strictObject({
  /** CSV `id,label`, or `name,label` with `images` */
  labels: text,
  /** Source of the images, as for `publish`: maps names to images */
  images: paths.optional(),
  /** Held-out images, with labels by name or id */
  test: paths.optional(),
  testLabels: text.optional(),
  /** Priors that compute targets for the held-out images; a linear student by default */
  priors: paths.optional(),
  /** HTML file to write; must not exist yet */
  report: text.optional(),
  /** JSON of `npm run reproduce`, for further figures in the report */
  results: text.optional(),
  /** Of splits, samples and projections */
  seed: count.optional(),
  /** Labelled rows to use, drawn at random when there are more */
  rows: count.min(1).optional()
})

const share = z.object({ accuracy: z.number(), standardError: z.number() })

const probesSchema = z.object({
  /** One-hot ridge; `ridge` in multiples of trace / min(n, rows) */
  ridge: share.extend({ ridge: z.number() }),
  /** Multinomial logistic regression; `c` as scikit-learn has it */
  logistic: share.extend({ c: z.number() }),
  /** k nearest neighbours by cosine */
  neighbours: share.extend({ k: count }),
  /** Of always saying the most frequent class of the test rows */
  chance: z.number(),
  /** Test rows */
  tests: count
})

/** Means over pairs of participants; left out where there are none with enough rows in common. */
const stagesSchema = z.object({
  raw: z.number().optional(),
  /** By the T that everybody fits on all shared rows */
  aligned: z.number().optional(),
  /** By a T fitted on the other half of the shared rows */
  heldOut: z.number().optional()
})

const participantSchema = z.object({
  peer: z.string(),
  prior: z.string(),
  kind: z.enum(PRIOR_KINDS),
  /** Shards of the dataset that are its work, and their rows with a target, as its records say */
  partitions: count,
  rows: count,
  uniformValue: z.number(),
  /** Left out where the prior cannot be elected, or there is no other */
  predictivity: z.number().optional(),
  /** Ridge probe of its own, unaligned targets of the labelled shared rows, every row predicted once */
  probe: share.optional(),
  /** Leave-one-out figures of T onto the reference */
  looR2: z.number().optional(),
  looCosine: z.number().optional(),
  /** Its aligned targets on S and those of the others: mean cosine, and R2 towards the others' mean */
  agreement: z.object({ cosine: z.number(), r2: z.number() }).optional(),
  /** The dataset's ridge probe on test rows that this participant made */
  ownRows: share.extend({ tests: count }).optional()
})

const rankCorrelationSchema = z.object({ rho: z.number(), p: z.number(), pairs: count })

export const evaluateReportSchema = z.object({
  cid: z.string(),
  manifest: z.string(),
  name: z.string(),
  seed: count,
  rows: z.object({
    /** Of all shards */
    total: count,
    withTarget: count,
    /** With a target and a label; images that occur again counted once */
    labelled: count,
    /** Of these, looked at */
    used: count
  }),
  classes: z.array(z.object({ name: z.string(), rows: count })),
  /** CID of S*_Y */
  reference: z.string(),
  probes: probesSchema,
  inconsistency: z.object({
    /** Shared rows */
    rows: count,
    pairs: count,
    /** 2a - 1; `calibration` is the same for a participant and itself, where the truth is 0 */
    variation: stagesSchema.extend({ calibration: z.number().optional() }),
    /** 1 - mean cosine */
    cosine: stagesSchema
  }),
  participants: z.array(participantSchema),
  /** Spearman's rho of a prior's value and its probe accuracy; left out with fewer than three priors */
  correlation: z.object({
    uniformity: rankCorrelationSchema.optional(),
    predictivity: rankCorrelationSchema.optional()
  }),
  test: z
    .object({
      /** What gave the test images their targets */
      by: z.enum(['priors', 'linear student']),
      images: count,
      /** Test images that were left out: rows of the dataset that were looked at, or images that occurred before */
      known: count,
      /** Probes fitted on the dataset's rows, tested on these targets */
      results: z.array(z.object({ name: z.string(), looR2: z.number(), probes: probesSchema }))
    })
    .optional(),
  /** What a reader has to know besides the figures */
  notes: z.array(z.string()),
  /** Absolute path of the report that was written */
  report: z.string().optional()
})

export type EvaluateOptions = z.infer<typeof evaluateOptionsSchema>
export type EvaluateReport = z.infer<typeof evaluateReportSchema>
export type ProbesReport = z.infer<typeof probesSchema>
export type ParticipantReport = z.infer<typeof participantSchema>
