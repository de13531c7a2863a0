/**
 * What can be asked of a node, in plain JSON-able values: the contract of the command line, the local HTTP API and the library.
 *
 * Two things implement `CoOptApi`: the node of this process (../create-node.ts) and the client of a running daemon (http/client.ts). A command
 * does not know which one it talks to. Both check arguments by the table in operations.ts and throw `InvalidInputError` for a wrong one.
 *
 * CIDs, peer ids and multiaddrs are text, counts are numbers, bytes never cross. Unknown values are left out. The types need none of the
 * packages inside, so that a consumer's compiler resolves them.
 */
import type { EvaluateOptions, EvaluateReport } from './evaluate.ts'
import type { ApiEvent } from './events.ts'
import type {
  GatewayOptions,
  JoinOptions,
  MergeOptions,
  PriorCheckOptions,
  PublishOptions,
  VerifyOptions
} from './options.ts'
import type {
  InviteReport,
  PublishReport,
  JoinReport,
  StatusReport,
  PeerReport,
  PriorReport,
  MergeReport,
  VerifyReport
} from './reports.ts'
import type {
  ExportOptions,
  ExportReport,
  ImportReport,
  GcOptions,
  PinOptions,
  GcReport,
  PinReport,
  ProvideReport
} from './upkeep.ts'

export interface CallOptions {
  /** Finish the batch in flight, then leave: the operation resolves with what it has, or rejects with an AbortError */
  signal?: AbortSignal
  /** Stop at once; nothing that was acknowledged is lost */
  kill?: AbortSignal
  onEvent?: (event: ApiEvent) => void
}

/** Errors are those of src/errors.ts, by name; exit-codes.ts maps them to exit codes. */
export interface CoOptApi {
  /**
   * `source`: absolute path of a folder of images, of a tar or Parquet file of them, of a folder of such files, or `/ipfs/CID[/path]` of
   * a directory.
   */
  publish(source: string, options: PublishOptions, call?: CallOptions): Promise<PublishReport>
  /** Resolves when the dataset is complete (`once`), else only when `signal` aborts. */
  join(invite: string, options: JoinOptions, call?: CallOptions): Promise<JoinReport>
  /** All swarms of this home, or the one of `invite`. */
  status(invite?: string, call?: CallOptions): Promise<StatusReport>
  /** A fresh invite to this swarm of the home, or to its only one: where this node and a few other members are now. */
  invite(swarm?: string, call?: CallOptions): Promise<InviteReport>
  peers(call?: CallOptions): Promise<PeerReport[]>
  /**
   * `prior`: a path, or the CID of a bundle, which is fetched. A prior that cannot run is a report with refusals; only one that cannot be read
   * is an error. With `shared` also what a swarm would make of it: this opens the swarm here, as `status` does; nothing is signed or published.
   */
  priorCheck(prior: string, options: PriorCheckOptions, call?: CallOptions): Promise<PriorReport>
  merge(invite: string, options: MergeOptions, call?: CallOptions): Promise<MergeReport>
  /** `cid` is a merged root whose content is here or can be fetched. A failed check is a report with `ok: false`. */
  verify(cid: string, options?: VerifyOptions, call?: CallOptions): Promise<VerifyReport>
  /** `cid` is a merged root. What is written must not exist yet. */
  export(cid: string, options: ExportOptions, call?: CallOptions): Promise<ExportReport>
  /**
   * `cid` is a merged root. Measures the dataset with labels that no participant saw. Paths are absolute; the report's file must not exist yet.
   */
  evaluate(cid: string, options: EvaluateOptions, call?: CallOptions): Promise<EvaluateReport>
  /** `file`: absolute path of a CAR v1. */
  import(file: string, call?: CallOptions): Promise<ImportReport>
  /** Free the blocks that no swarm and no pin needs. */
  gc(options: GcOptions, call?: CallOptions): Promise<GcReport>
  /** Fetch a CID and everything below it, keep it from `gc`, and on request have a remote pinning service keep it too. */
  pin(cid: string, options: PinOptions, call?: CallOptions): Promise<PinReport>
  /** Resolves to whether it was pinned. */
  unpin(cid: string, call?: CallOptions): Promise<boolean>
  /** Announce in the DHT that this node has it. */
  provide(cid: string, call?: CallOptions): Promise<ProvideReport>
  /** Ends the daemon. Resolves when it has been asked to, not when it is gone. */
  stop(call?: CallOptions): Promise<void>
}

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
   * Look at the work of other members in the background, and vouch for what is found sound: for a node that stays. Never without a network.
   *
   * @default true
   */
  checks?: boolean
  /**
   * What this process does, shown to users who find the home locked
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
  /** Stop everything in reverse order and release the home. May be called twice. */
  close(): Promise<void>
}
