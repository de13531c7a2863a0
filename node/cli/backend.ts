/**
 * How a command gets at a node: what these functions do is the whole of it, so tests hand the commands others (`Backend`).
 *
 * Loaded when a command needs it, and each function loads what it needs: `coopt --help` starts no network stack, `coopt init` neither.
 */
import type { CoOptNode } from '../api/api.ts'
import type { ApiEvent } from '../api/events.ts'
import type { GatewayOptions, InitOptions, PriorCheckOptions } from '../api/options.ts'
import type { DeviceReport, InitReport, PriorReport } from '../api/reports.ts'
import type { SimulateOptions } from '../lab/simulate/simulate.ts'
import type { PackOptions, PackReport } from '../priors/bundle/pack-report.ts'

export interface Backend {
  initHome: typeof initHome
  openLocal: typeof openLocal
  checkPrior: typeof checkPrior
  listDevices: typeof listDevices
  packPrior: typeof packPrior
  simulate: typeof simulate
}

/** The node of this process on one home directory: holds its lock until `close`. */
export type LocalApi = Omit<CoOptNode, 'peer' | 'addresses' | 'gateway'>

export interface OpenOptions {
  /** Listen and dial; without it the store alone is opened */
  network: boolean
  /** Look at the work of others while the node runs. @default true */
  checks?: boolean
  /** Also serve HTTP, as configured but for what is given here; not unless asked for */
  gateway?: GatewayOptions
  /** Called when `stop()` is called on the API */
  onStop?: () => void
  /** What happens outside of an operation: peers, logs, listening */
  onEvent?: (event: ApiEvent) => void
}

/** Identity (0600) and configuration in an empty or new directory. Throws `DamagedStoreError` for a home of which a part is missing. */
export async function initHome(home: string, { listen, mdns = true }: InitOptions): Promise<InitReport> {
  const { initHome: init } = await import('../home/init-home.ts')
  return await init(home, {
    network: { ...(listen === undefined ? {} : { listen: [...listen] }), ...(mdns ? {} : { mdns }) }
  })
}

/** Throws `HomeLockedError` naming the process that holds the home, `InvalidInputError` when there is no home (run `coopt init`). */
export async function openLocal(home: string, options: OpenOptions): Promise<LocalApi> {
  const { createCoOptNode } = await import('../index.ts')
  const node = await createCoOptNode({ home, what: options.network ? 'a coopt node' : 'a coopt command', ...options })
  if (options.network)
    options.onEvent?.({
      type: 'listening',
      peer: node.peer,
      addresses: node.addresses(),
      ...(node.gateway === undefined ? {} : { gateway: node.gateway })
    })
  return node
}

/**
 * Looks at files of this machine, or asks a model server. Needs no home: `home` says where models run if there is one. Errors as `CoOptApi.priorCheck`.
 */
export async function checkPrior(
  prior: string,
  options: Omit<PriorCheckOptions, 'shared'>,
  home: string
): Promise<PriorReport> {
  const { checkPrior: check } = await import('../priors/check-prior.ts')
  return await check(prior, { ...options, machine: await deviceSettings(home) })
}

/** Where models could run on this machine, by trying. `only`: one device. Needs no home. Throws `InvalidInputError`. */
export async function listDevices(home: string, only?: string): Promise<DeviceReport> {
  const { listDevices: list } = await import('../compute/inference/list-devices.ts')
  return await list(await deviceSettings(home), only)
}

/** Writes a bundle; needs no home. Throws `InvalidPriorError`, `InvalidInputError`. */
export async function packPrior(prior: string, options: PackOptions): Promise<PackReport> {
  const { packBundle } = await import('../priors/bundle/pack-bundle.ts')
  return await packBundle(prior, options)
}

/** Swarms of a plan in this process: needs no home. Throws `InvalidInputError` naming the plan's field. */
export async function simulate(plan: string, options: Omit<SimulateOptions, 'untrainedPrior'>): Promise<void> {
  const { simulate: run } = await import('../lab/simulate/simulate.ts')
  const { bundledPrior } = await import('../priors/bundled.ts')
  await run(plan, { ...options, untrainedPrior: bundledPrior('untrained') })
}

// --- internal ---

async function deviceSettings(home: string): Promise<{ device?: string; libraryFolder?: string }> {
  const { readDeviceSettings } = await import('../home/device-settings.ts')
  const { homeAt } = await import('../home/home.ts')
  return await readDeviceSettings(homeAt(home))
}
