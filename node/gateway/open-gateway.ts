/** The gateway of a node, as its configuration and the caller want it. */
import type { GatewayOptions } from '../api/options.ts'
import type { Config } from '../home/config.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Network } from '../network/network.ts'
import type { Swarms } from '../swarms/swarms.ts'
import { startGateway, type Gateway, type GatewayComponents } from './gateway.ts'

export interface GatewayOwner extends Pick<GatewayComponents, 'content' | 'logger'> {
  config: Pick<Config, 'gateway'>
  swarms: Pick<Swarms, 'all'>
  network: Network | undefined
  /** What is said of the node itself; nothing without it */
  monitor?: Monitor
}

/** Undefined when it is not asked for, or turned off by the configuration. Throws like `startGateway`. */
export async function gatewayOf(
  { config, content, swarms, logger, network, monitor }: GatewayOwner,
  options: GatewayOptions | undefined
): Promise<Gateway | undefined> {
  if (options === undefined || !config.gateway.enabled) return undefined
  return await startGateway(
    {
      content,
      memberships: () => swarms.all(),
      logger: logger.component('gateway'),
      hasNetwork: network !== undefined,
      ...(monitor !== undefined && config.gateway.status ? { monitor } : {})
    },
    { ...config.gateway, ...options }
  )
}
