/** Attackers that publish somebody else's S_Y, or what follows from everybody's: a rotated copy, and copies of the consensus. */
import { rawCid } from '../../../src/codec.ts'
import { consensus } from '../../../src/align/consensus.ts'
import { normaliseRows } from '../../../src/align/rows.ts'
import { applyTransform, DEFAULT_GRID, fitTransform } from '../../../src/align/transform.ts'
import { multiplyByTranspose, plainGemm } from '../../../src/gemm.ts'
import { toFloat64, type Matrix32 } from '../../../src/matrix.ts'
import { projection } from '../../../src/optimize/projection.ts'
import { float32, noiseOf } from './attack.ts'
import type { CopyAttack } from './attack-names.ts'
import type { Draw, Published } from './draw.ts'
import type { PriorFeatures } from './feature-cache.ts'
import { honestSource, type TargetSource } from './target-source.ts'

/** Noise of a copy's rows, relative to their length: enough to change every byte, too little to change neighbours */
const COPY_NOISE = 0.02

export interface CopySource {
  readonly source: TargetSource
  /** Take S_Y from `victim`, or from `all` whose priors the attacker believes in */
  from(victim: TargetSource, all: readonly TargetSource[]): Promise<void>
}

/**
 * `copy`: the victim's S_Y, rotated, with a little noise. `consensus`: what all S_Y have in common (src/align/consensus.ts). Behind either stand targets
 * of the own prior; with `consensus-mapped` they are mapped onto the S_Y that was published, as an alignment would.
 */
export function copySource(draw: Draw, attack: CopyAttack, prior: PriorFeatures, name: string): CopySource {
  const n = draw.swarm.manifest.dimension
  const honest = honestSource(draw, prior)
  let taken: Published | undefined
  const sharedTargets = async (): Promise<Published> => {
    if (taken === undefined) throw new Error('no S_Y was copied yet')
    return taken
  }
  const partition = async (index: number): Promise<Published> => {
    const raw = await honest.partition(index)
    if (attack !== 'consensus-mapped') return raw
    const [own, shown] = [await honest.shared(), await sharedTargets()]
    return await draw.remember(`mapped ${shown.cid} ${raw.cid}`, async () => {
      const map = await draw.remember(
        `map ${own.cid} ${shown.cid}`,
        async () => await fitTransform({ from: own.matrix, to: shown.matrix, grid: DEFAULT_GRID, gemm: plainGemm })
      )
      return await draw.publish(await applyTransform(map, raw.matrix, plainGemm))
    })
  }
  return {
    from: async (victim, all) => {
      const made = attack === 'copy' ? await rotated(draw, victim, name) : await agreed(draw, all)
      taken = await draw.publish(made)
    },
    source: {
      attack,
      // the attacker may claim anything about its prior
      prior: { ...honest.prior, dimension: n, id: rawCid(new TextEncoder().encode(`${attack} of ${name}`)) },
      shared: sharedTargets,
      partition,
      falseWork: () => 'garbage'
    }
  }
}

// --- internal ---

async function rotated(draw: Draw, victim: TargetSource, name: string): Promise<Matrix32> {
  const n = draw.swarm.manifest.dimension
  const { matrix: theirs } = await victim.shared()
  const targets = multiplyByTranspose(toFloat64(theirs), projection(rawCid(new TextEncoder().encode(name)), n, n))
  const noise = normaliseRows(noiseOf(draw, draw.shared, name))
  for (let i = 0; i < targets.rows; i++) {
    const row = targets.data.subarray(i * n, (i + 1) * n)
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
    for (let c = 0; c < n; c++) row[c] = (row[c] as number) + COPY_NOISE * length * (noise.data[i * n + c] as number)
  }
  return float32(targets)
}

async function agreed(draw: Draw, all: readonly TargetSource[]): Promise<Matrix32> {
  const members = new Map<string, Matrix32>()
  for (const source of all) {
    const { cid, matrix } = await source.shared()
    members.set(cid.toString(), matrix)
  }
  const { seed } = draw.swarm.manifest
  return float32(
    consensus(
      [...members].map(([id, targets]) => ({ id, targets })),
      seed
    )
  )
}
