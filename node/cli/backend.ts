/**
 * How a command gets at a node: the entry points of node/local-api.ts as an interface, so that tests can hand the commands
 * another one and `coopt --help` does not load a network stack.
 */
import type { CoOptApi } from '../api/api.ts'
import type { ApiEvent } from '../api/events.ts'
import type { PackOptions, PackReport } from '../priors/bundle/pack-report.ts'
import type { GatewayOptions, InitOptions, PriorCheckOptions } from '../api/options.ts'
import type { InitReport, PriorReport } from '../api/reports.ts'
import type { SimulateOptions } from '../lab/simulate/simulate.ts'

/** The node of this process on one home directory: holds its lock until `close`. */
export interface LocalApi extends CoOptApi {
  /** May be called twice. */
  close(): Promise<void>
}

export interface OpenOptions {
  /** Listen and dial; without it the store alone is opened */
  network: boolean
  /** Also serve HTTP, as configured but for what is given here; not unless asked for */
  gateway?: GatewayOptions
  /** Called when `stop()` is called on the API */
  onStop?: () => void
  /** What happens outside of an operation: peers, logs, listening */
  onEvent?: (event: ApiEvent) => void
}

/** The entry points of node/local-api.ts; tests hand the commands another one. */
export interface Backend {
  /** Identity (0600) and config in an empty or new directory. Throws `DamagedStoreError` on one that is half there. */
  initHome(home: string, options: InitOptions): Promise<InitReport>
  /** Throws `HomeLockedError` naming the process that holds the home, `InvalidInputError` when there is no home (run `coopt init`). */
  openLocal(home: string, options: OpenOptions): Promise<LocalApi>
  /** Looks at files of this machine only: needs no home. Errors as `CoOptApi.priorCheck`. */
  checkPrior(prior: string, options: PriorCheckOptions): Promise<PriorReport>
  /** Writes a bundle; needs no home. Throws `InvalidPriorError`, `InvalidInputError`. */
  packPrior(prior: string, options: PackOptions): Promise<PackReport>
  /** Swarms of a plan in this process: needs no home. Throws `InvalidInputError` naming the plan's field. */
  simulate(plan: string, options: Omit<SimulateOptions, 'untrainedPrior'>): Promise<void>
}
