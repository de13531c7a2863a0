/** The node as a library: types that need none of the packages inside, so that a consumer's compiler resolves them. */
import type { CoOptApi } from './api.ts'
import type { ApiEvent } from './events.ts'
import type { GatewayOptions } from './options.ts'

export interface CoOptNodeInit {
  /** Home directory, made by `coopt init` or `initHome` */
  home: string
  /**
   * Listen and dial; without it everything works that needs no peer
   *
   * @default true
   */
  network?: boolean
  /**
   * What this process does, told to whoever finds the home locked
   *
   * @default 'a program using coopt as a library'
   */
  what?: string
  /** Also serve HTTP, as configured but for what is given here. @default not */
  gateway?: GatewayOptions
  /** What happens outside of an operation: peers, logs. @default nothing */
  onEvent?: (event: ApiEvent) => void
  /** Called when `stop()` was asked for; the owner then closes the node. @default nothing */
  onStop?: () => void
}

export interface CoOptNode extends CoOptApi {
  /** 12D3KooW… */
  readonly peer: string
  /** Where others can dial this node, each ending in /p2p/PEER; none without a network */
  addresses(): string[]
  /** `http://127.0.0.1:18480`, when the HTTP gateway runs */
  readonly gateway: string | undefined
  /** Stop everything in reverse order and give the home free. May be called twice. */
  close(): Promise<void>
}
