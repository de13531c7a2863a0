/** The gateway of a node, as its configuration and the caller want it. */
import type { GatewayOptions } from '../api/options.ts'
import type { Config } from '../home/config.ts'
import type { Network } from '../network/network.ts'
import type { Swarms } from '../swarms/swarms.ts'
import { startGateway, type Gateway, type GatewayComponents } from './gateway.ts'

export interface GatewayOwner extends Pick<GatewayComponents, 'content' | 'logger'> {
  config: Pick<Config, 'gateway'>
  swarms: Pick<Swarms, 'all'>
  network: Network | undefined
}

/** Undefined when it is not asked for, or turned off by the configuration. Throws like `startGateway`. */
export async function gatewayOf(
  { config, content, swarms, logger, network }: GatewayOwner,
  options: GatewayOptions | undefined
): Promise<Gateway | undefined> {
  if (options === undefined || !config.gateway.enabled) return undefined
  return await startGateway(
    { content, memberships: () => swarms.all(), logger, hasNetwork: network !== undefined },
    { ...config.gateway, ...options }
  )
}
