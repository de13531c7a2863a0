/**
 * What a command, the local HTTP API and a program can ask of a node, in plain JSON-able values.
 *
 * Two things implement `CoOptApi`: the node of this process (node/local-api.ts) and the client of a running daemon
 * (node/http-api/client.ts). A command does not know which one it talks to.
 *
 * CIDs, peer ids and multiaddrs are text here, counts are numbers, bytes never cross. Values that may be unknown are left out.
 */
import type { EvaluateOptions, EvaluateReport } from './evaluate.ts'
import type { ApiEvent } from './events.ts'
import type { PublishOptions, JoinOptions, PriorCheckOptions, MergeOptions, VerifyOptions } from './options.ts'
import type {
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

/** Errors are those of src/errors.ts, by name; node/exit-codes.ts maps them to exit codes. */
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
  peers(call?: CallOptions): Promise<PeerReport[]>
  /**
   * `prior`: a path, or the CID of a bundle, which is fetched. A prior that cannot run is a report with refusals; only one that cannot be read is an error. With `shared` also what joining would come
   * to: as `status` does, this opens the swarm here, and nothing is signed or published.
   */
  priorCheck(prior: string, options: PriorCheckOptions, call?: CallOptions): Promise<PriorReport>
  merge(invite: string, options: MergeOptions, call?: CallOptions): Promise<MergeReport>
  /** `cid` is a merged root, its content is at hand or can be fetched. A failed check is a report with `ok: false`. */
  verify(cid: string, options?: VerifyOptions, call?: CallOptions): Promise<VerifyReport>
  /** `cid` is a merged root. What is written must not exist yet. */
  export(cid: string, options: ExportOptions, call?: CallOptions): Promise<ExportReport>
  /**
   * `cid` is a merged root. Measures what it is worth with labels that nobody took part with. Paths are absolute; the report's file must
   * not exist yet.
   */
  evaluate(cid: string, options: EvaluateOptions, call?: CallOptions): Promise<EvaluateReport>
  /** `file`: absolute path of a CAR v1. */
  import(file: string, call?: CallOptions): Promise<ImportReport>
  /** Free the blocks that no swarm and no pin needs. */
  gc(options: GcOptions, call?: CallOptions): Promise<GcReport>
  /** Fetch all below a CID, keep it from `gc`, and have a remote pinning service keep it as well. */
  pin(cid: string, options: PinOptions, call?: CallOptions): Promise<PinReport>
  /** Resolves to whether it was pinned. */
  unpin(cid: string, call?: CallOptions): Promise<boolean>
  /** Tell the DHT that this node has it. */
  provide(cid: string, call?: CallOptions): Promise<ProvideReport>
  /** Ends the daemon. Resolves when it has been asked to, not when it is gone. */
  stop(call?: CallOptions): Promise<void>
}
