/** Stand-ins for what nodes compute from content: deterministic functions of CIDs, the same on every replica and in every run. */
import type { CID } from 'multiformats/cid'
import type { Assessment } from '../../src/align/gate.ts'
import { rawCid } from '../../src/codec.ts'
import { assessmentKey, qualityKey, type Quality } from '../../src/merge/views.ts'
import type { SignedRecord } from '../../src/publish/record.ts'
import type { PriorKind } from '../../src/optimize/prior-kind.ts'

/** A fraction, 0 … 1, by hashing. */
export function fraction(...parts: readonly { toString(): string }[]): number {
  const text = parts.map(String).join(' ')
  let value = fractions.get(text)
  if (value === undefined) {
    const { digest } = rawCid(new TextEncoder().encode(text)).multihash
    value = ((digest[0] as number) * 256 + (digest[1] as number)) / 65_536
    fractions.set(text, value)
  }
  return value
}
const fractions = new Map<string, number>()

/** Stand-in for the exact leave-one-out figures of one matrix mapped onto another. */
export function testQuality(targets: CID, reference: CID): Quality {
  if (targets.equals(reference)) return { looR2: 1, looCosine: 1, looZ: 100 }
  const looCosine = 0.2 + 0.8 * fraction('cosine', targets, reference)
  return { looR2: fraction('R2', targets, reference), looCosine, looZ: 40 * fraction('z', targets, reference) }
}

/** Stand-in for the gate's verdict on one matrix: about one in five is refused, features and labels by rules of their own. */
export function testAssessment(targets: CID, kind: PriorKind = 'onnx'): Assessment {
  const admissible = fraction(kind === 'onnx' ? 'gate' : 'gate for labels', targets) > 0.2
  return {
    uniformValue: -0.5 - 3 * fraction('V', targets),
    z: admissible ? 50 : 0,
    rowsNeeded: 0,
    effectiveRank: 10,
    present: 16,
    admissible,
    refusals: admissible ? [] : ['made up to be refused']
  }
}

/** Everything that a node would have computed from the content that these records name. */
export function testEvidence(records: Iterable<SignedRecord>): {
  assessments: Map<string, Assessment>
  qualities: Map<string, Quality>
} {
  const scores = [...records].flatMap(({ body }) => (body.type === 'score' ? [body] : []))
  const targets = scores.map(body => body.targets)
  const assessments = new Map(scores.map(body => [assessmentKey(body), testAssessment(body.targets, body.prior.kind)]))
  const qualities = new Map(
    targets.flatMap(from => targets.map(to => [qualityKey(from, to), testQuality(from, to)] as const))
  )
  return { assessments, qualities }
}
