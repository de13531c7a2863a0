/**
 * A deadline that progress puts off: for transfers whose whole may take as long as the line needs, while silence ends them. One timer, whatever the
 * number of steps.
 */
import { ContentUnavailableError } from '../src/errors.ts'

export interface StallWatch extends Disposable {
  /** Aborts with `ContentUnavailableError` when nothing moved for so long */
  readonly signal: AbortSignal
  /** Something moved. */
  moved(): void
  /** Milliseconds since something moved */
  still(): number
}

export function watchForStall(ms: number, what: string): StallWatch {
  const controller = new AbortController()
  let at = performance.now()
  const look = (): void => {
    const left = at + ms - performance.now()
    if (left > 0) timer = setTimeout(look, left)
    else controller.abort(new ContentUnavailableError(`${what}: nothing came for ${Math.round(ms / 1000)} s`))
  }
  let timer = setTimeout(look, ms)
  return {
    signal: controller.signal,
    moved: () => {
      at = performance.now()
    },
    still: () => performance.now() - at,
    [Symbol.dispose]: () => clearTimeout(timer)
  }
}
