/**
 * `Exact` (compute/exact/exact.ts) without a thread, on a draw that caches results, with two changes that a configuration can ask for: no gate, and
 * another reference than the elected one.
 */
import type { Candidate, Election, Reference } from '../../../src/align/candidate.ts'
import { round6 } from '../../../src/align/gate.ts'
import { elect } from '../../../src/align/election.ts'
import { uniformValue } from '../../../src/align/uniformity.ts'
import type { Manifest } from '../../../src/distribute/manifest.ts'
import { InvalidInputError } from '../../../src/errors.ts'
import { matrix } from '../../../src/matrix.ts'
import { expectedZ, fitPlausibility, plausibility } from '../../../src/publish/plausibility.ts'
import { createRandomStream } from '../../../src/random.ts'
import type { Exact } from '../../compute/exact/exact.ts'
import { testDistribution } from '../../../src/publish/distribution.ts'
import type { Draw } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import { gaussian } from './gaussian.ts'
import type { Settings } from './plan.ts'

export interface DirectExact extends Exact {
  /** Scores published or about to be: no election takes place before all are judged, which avoids fits onto a temporary winner. */
  expected: number
}

export interface DirectExactInit {
  draw: Draw
  /** Of the configuration's own swarm */
  manifest: Manifest
  settings: Pick<Settings, 'alignTo' | 'gate'>
  priors: ReadonlyMap<string, PriorFeatures>
}

export function createDirectExact({ draw, manifest, settings, priors }: DirectExactInit): DirectExact {
  const { grid } = manifest.alignment
  const exact: DirectExact = {
    expected: 0,
    assess: async (cid, kind) => {
      const assessment = draw.assess(cid, kind, manifest.uniformity)
      // targets that could not be judged at all (constant ones) have rank 0 and stay out
      if (settings.gate || assessment.effectiveRank === 0) return assessment
      return { ...assessment, admissible: true, refusals: [] }
    },
    quality: async (from, to) => {
      const { looR2, looCosine, looZ } = await draw.fit(from, to, grid)
      return { looR2, looCosine, looZ: round6(looZ) }
    },
    fit: async (from, to) => await draw.fit(from, to, grid),
    uniformValue: async targets => uniformValue(targets, manifest.uniformity),
    elect: async candidates => {
      if (candidates.length < exact.expected) return { ranking: [] }
      const withTargets = candidates.map((c): Candidate => ({ ...c, targets: draw.sharedMatrix(c.targetsCid) }))
      const { ranking, reference } = elect(manifest, withTargets, draw.memo)
      const chosen = await referenceOf({ ranking, ...(reference === undefined ? {} : { reference }) }, withTargets)
      return chosen === undefined ? { ranking } : { ranking, reference: chosen }
    },
    expectedZ: async (own, their, rows) =>
      expectedZ(await fitPlausibility(draw.sharedMatrix(own), draw.sharedMatrix(their)), rows),
    plausibility: async (own, their, rows) =>
      await plausibility({ ownShared: draw.sharedMatrix(own), theirShared: draw.sharedMatrix(their), ...rows }),
    distribution: async (their, raw) => testDistribution(draw.sharedMatrix(their), raw)?.isOther,
    forget: async () => {
      // the draw caches results for other configurations
    },
    close: async () => {
      // there are only in-memory caches
    }
  }

  const referenceOf = async (
    { ranking, reference }: Election,
    candidates: readonly Candidate[]
  ): Promise<Reference | undefined> => {
    const { alignTo } = settings
    if (alignTo === 'random') {
      const codes = gaussian(
        draw.shared.length,
        manifest.dimension,
        createRandomStream('coopt/1/simulate/codes', manifest.seed)
      )
      const { cid } = await draw.publish(matrix(codes.rows, codes.columns, Float32Array.from(codes.data)))
      return { cid, provenance: { policy: 'random codes', from: [] } }
    }
    if (alignTo.startsWith('prior:')) {
      const prior = priors.get(alignTo.slice('prior:'.length))
      if (prior === undefined) throw new InvalidInputError(`plan: alignTo: "${alignTo}" is not in "priors"`)
      const { cid } = await draw.sharedTargets(prior)
      const from = candidates.filter(c => c.targetsCid.equals(cid)).map(c => c.key)
      return { cid, provenance: { policy: 'named', from } }
    }
    if (reference === undefined) return undefined
    if (alignTo === 'best' || alignTo === 'medium' || alignTo === 'worst') {
      const electable = ranking.filter(r => r.electable)
      const place = { best: 0, medium: Math.floor((electable.length - 1) / 2), worst: electable.length - 1 }[alignTo]
      const chosen = candidates.find(c => c.key === electable[place]?.key)
      if (chosen === undefined) return undefined
      return {
        cid: chosen.targetsCid,
        provenance: { policy: `${alignTo} by ${manifest.election.policy}`, from: [chosen.key] }
      }
    }
    if (reference.matrix === undefined) return reference
    const { cid } = await draw.publish(reference.matrix)
    return { cid, provenance: reference.provenance }
  }
  return exact
}
