/** How it is told what runs a prior: in `prior check`, in the events of `join`, by `doctor`. */
import type { PriorDevice } from '../../../src/optimize/prior.ts'

/** The device, how it was decided, and which operators it ran. */
export function runsOnText({ asked, took, passedOver, placement = {} }: PriorDevice): string {
  const counts = Object.entries(placement).map(([provider, operators]) => `${operators} by ${provider}`)
  const ran = counts.length === 0 ? '' : `; operators: ${counts.join(', ')}`
  const others = passedOver.map(({ device, reason }) => `; not ${device}: ${reason}`)
  return `${took}${asked === 'auto' ? ' (auto)' : ''}${ran}${others.join('')}`
}
