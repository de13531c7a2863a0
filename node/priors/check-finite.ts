/** A feature with a number that is not finite would spoil every target that is compared with it. */
import { NonFiniteFeatureError } from '../../src/errors.ts'

/** `features`: of the sample `id`. Throws `NonFiniteFeatureError` naming it. */
export function checkFinite(id: string, features: Float32Array): void {
  const at = features.findIndex(v => !Number.isFinite(v))
  if (at < 0) return
  throw new NonFiniteFeatureError(
    `sample ${id}: feature ${at} of the prior is ${features[at]}; the model cannot be used on this image`
  )
}
