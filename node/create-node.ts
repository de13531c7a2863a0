/** Opens a home and gives everything that the commands can do, in process and typed. */
import { nodeOf } from './coopt-node.ts'
import { openGateway } from './gateway/open-gateway.ts'
import type { CoOptNode, CoOptNodeInit } from './library.ts'
import { openRuntime } from './runtime.ts'

/** Errors as those of `openRuntime`. */
export async function createCoOptNode(init: CoOptNodeInit): Promise<CoOptNode> {
  const { home, network = true, what = 'a program using coopt as a library', onEvent = () => {} } = init
  const runtime = await openRuntime({ home, network, what, onEvent })
  try {
    return nodeOf(runtime, { ...init, gateway: await openGateway(runtime, init.gateway) })
  } catch (error) {
    await runtime.close()
    throw error
  }
}
