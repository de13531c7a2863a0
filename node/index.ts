/**
 * CoOpt as a library: the node, its reports and events, and the errors it throws (test `error.name`).
 *
 * The declarations that a consumer gets are those reachable from here: nothing exported here names a type of a package inside.
 */
import type { CoOptNode, CoOptNodeInit } from './api/api.ts'
import { nodeOf } from './create-node.ts'
import { gatewayOf } from './gateway/open-gateway.ts'
import { createMonitor } from './monitor/monitor.ts'
import { openRuntime } from './runtime.ts'

export { initHome } from './home/init-home.ts'
export type * from './api/api.ts'
export type * from './api/evaluate.ts'
export type * from './api/events.ts'
export type * from './api/options.ts'
export type * from './api/reports.ts'
export type * from './api/upkeep.ts'
export * from '../src/errors.ts'

/**
 * Opens a home and starts its node. Throws `HomeLockedError`, `HomeVersionError`, `InvalidInputError` (no home, or a wrong configuration) or
 * `DamagedStoreError`.
 */
export async function createCoOptNode(init: CoOptNodeInit): Promise<CoOptNode> {
  const { home, network = true, checks = true, what = 'a program using coopt as a library', onEvent = () => {} } = init
  const runtime = await openRuntime({ home, network, checks, what, onEvent, metrics: init.gateway !== undefined })
  const monitor = createMonitor(runtime)
  try {
    return nodeOf(runtime, { ...init, gateway: await gatewayOf({ ...runtime, monitor }, init.gateway), monitor })
  } catch (error) {
    monitor.close()
    await runtime.close()
    throw error
  }
}
