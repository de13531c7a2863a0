/**
 * The operations that cross the local API, each with the schemas of its arguments and result. Server and client are both driven by
 * this table, so neither can know an operation that the other does not.
 *
 *   POST /v1/OPERATION   body: JSON array of arguments    answer: NDJSON, see server.ts
 *   DELETE /v1/calls/ID  finish the batch in flight, then leave: what the first Ctrl-C means
 */
import { z } from 'zod'
import { type CallOptions, type CoOptApi } from '../api.ts'
import { evaluateOptionsSchema, evaluateReportSchema } from '../evaluate.ts'
import { apiEventSchema } from '../events.ts'
import {
  joinOptionsSchema,
  mergeOptionsSchema,
  priorCheckOptionsSchema,
  verifyOptionsSchema,
  publishOptionsSchema
} from '../options.ts'
import {
  joinReportSchema,
  mergeReportSchema,
  peerReportSchema,
  priorReportSchema,
  publishReportSchema,
  statusReportSchema,
  verifyReportSchema
} from '../reports.ts'
import {
  gcOptionsSchema,
  gcReportSchema,
  pinOptionsSchema,
  pinReportSchema,
  provideReportSchema,
  exportOptionsSchema,
  exportReportSchema,
  importReportSchema
} from '../upkeep.ts'
import { wireErrorSchema } from './wire-error.ts'

export type OperationName = keyof CoOptApi

interface Operation {
  args: z.ZodType<unknown[]>
  result: z.ZodType
  /** `args` have passed the schema */
  invoke(api: CoOptApi, args: unknown[], call: CallOptions): Promise<unknown>
}

/** Invites have 8 KiB, paths 4 KiB at most. */
const text = z.string().min(1).max(16_384)

function operation<A extends z.ZodType<unknown[]>>(
  args: A,
  result: z.ZodType,
  invoke: (api: CoOptApi, args: z.infer<A>, call: CallOptions) => Promise<unknown>
): Operation {
  return { args, result, invoke: async (api, given, call) => await invoke(api, args.parse(given), call) }
}

export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  publish: operation(z.tuple([text, publishOptionsSchema]), publishReportSchema, (api, args, call) =>
    api.publish(...args, call)
  ),
  join: operation(z.tuple([text, joinOptionsSchema]), joinReportSchema, (api, args, call) => api.join(...args, call)),
  status: operation(z.tuple([text.nullable()]), statusReportSchema, (api, [invite], call) =>
    api.status(invite ?? undefined, call)
  ),
  peers: operation(z.tuple([]), z.array(peerReportSchema), (api, _, call) => api.peers(call)),
  priorCheck: operation(z.tuple([text, priorCheckOptionsSchema]), priorReportSchema, (api, args, call) =>
    api.priorCheck(...args, call)
  ),
  merge: operation(z.tuple([text, mergeOptionsSchema]), mergeReportSchema, (api, args, call) =>
    api.merge(...args, call)
  ),
  verify: operation(z.tuple([text, verifyOptionsSchema]), verifyReportSchema, (api, args, call) =>
    api.verify(...args, call)
  ),
  export: operation(z.tuple([text, exportOptionsSchema]), exportReportSchema, (api, args, call) =>
    api.export(...args, call)
  ),
  evaluate: operation(z.tuple([text, evaluateOptionsSchema]), evaluateReportSchema, (api, args, call) =>
    api.evaluate(...args, call)
  ),
  import: operation(z.tuple([text]), importReportSchema, (api, args, call) => api.import(...args, call)),
  gc: operation(z.tuple([gcOptionsSchema]), gcReportSchema, (api, args, call) => api.gc(...args, call)),
  pin: operation(z.tuple([text, pinOptionsSchema]), pinReportSchema, (api, args, call) => api.pin(...args, call)),
  unpin: operation(z.tuple([text]), z.boolean(), (api, args, call) => api.unpin(...args, call)),
  provide: operation(z.tuple([text]), provideReportSchema, (api, args, call) => api.provide(...args, call)),
  stop: operation(z.tuple([]), z.null(), async (api, _, call) => {
    await api.stop(call)
    return null
  })
}

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name)
}

/** One line of an answer: any number of events, then one result or error. */
export const answerLineSchema = z.union([
  z.strictObject({ event: apiEventSchema }),
  z.strictObject({ error: wireErrorSchema }),
  z.strictObject({ result: z.unknown() })
])

export const CALL_HEADER = 'x-coopt-call'
/** Made by the client, so that it can ask for the end of a call before the first byte of the answer. */
export const callIdSchema = z.string().regex(/^[0-9a-f-]{36}$/)
