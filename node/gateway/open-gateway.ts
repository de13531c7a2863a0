/** The gateway of a running node: its configuration, with what the operator asked for this time. */
import type { GatewayOptions } from '../api-options.ts'
import type { Runtime } from '../runtime.ts'
import { type Gateway, startGateway } from './gateway.ts'

/** Undefined when it was not asked for, or is turned off by the configuration. Throws like `startGateway`. */
export async function openGateway(
  { config, content, swarms, logger, network }: Runtime,
  options: GatewayOptions | undefined
): Promise<Gateway | undefined> {
  if (options === undefined || !config.gateway.enabled) return undefined
  return await startGateway(
    { content, memberships: () => swarms.all(), logger, hasNetwork: network !== undefined },
    { ...config.gateway, ...options }
  )
}
