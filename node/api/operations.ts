/**
 * The operations of `CoOptApi` as a table: the schemas of arguments and result of each. Every way to a node is driven by it, the library, the
 * command line and the local HTTP API, so all check the same arguments in the same way: a wrong one is an `InvalidInputError` that names the
 * operation, the argument and the expectation, before a home is opened or anything is fetched.
 */
import { z } from 'zod'
import { parseCid } from '../../src/codec.ts'
import { decodeInvite } from '../../src/distribute/invite.ts'
import { CoOptError, InvalidInputError } from '../../src/errors.ts'
import { type CallOptions, type CoOptApi } from './api.ts'
import { evaluateOptionsSchema, evaluateReportSchema } from './evaluate.ts'
import {
  joinOptionsSchema,
  mergeOptionsSchema,
  priorCheckOptionsSchema,
  verifyOptionsSchema,
  publishOptionsSchema
} from './options.ts'
import {
  inviteReportSchema,
  joinReportSchema,
  mergeReportSchema,
  peerReportSchema,
  priorReportSchema,
  publishReportSchema,
  statusReportSchema,
  verifyReportSchema
} from './reports.ts'
import {
  gcOptionsSchema,
  gcReportSchema,
  pinOptionsSchema,
  pinReportSchema,
  provideReportSchema,
  exportOptionsSchema,
  exportReportSchema,
  importReportSchema
} from './upkeep.ts'

export type OperationName = keyof CoOptApi

export interface Operation {
  args: z.ZodType<unknown[]>
  result: z.ZodType
  /** What the arguments are called in messages */
  names: readonly string[]
  invoke(api: CoOptApi, args: unknown[], call: CallOptions): Promise<unknown>
}

/** Invites have 8 KiB, paths 4 KiB at most. */
const text = z.string().min(1).max(16_384)
const cid = text.superRefine(passes(parseCid))
const invite = text.superRefine(passes(decodeInvite))

function operation<A extends z.ZodType<unknown[]>>(
  names: readonly string[],
  args: A,
  result: z.ZodType,
  invoke: (api: CoOptApi, args: z.infer<A>, call: CallOptions) => Promise<unknown>
): Operation {
  return { names, args, result, invoke: async (api, values, call) => await invoke(api, args.parse(values), call) }
}

export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  publish: operation(
    ['source', 'options'],
    z.tuple([text, publishOptionsSchema]),
    publishReportSchema,
    (api, args, call) => api.publish(...args, call)
  ),
  join: operation(['invite', 'options'], z.tuple([invite, joinOptionsSchema]), joinReportSchema, (api, args, call) =>
    api.join(...args, call)
  ),
  status: operation(['invite'], z.tuple([invite.nullable()]), statusReportSchema, (api, [invite], call) =>
    api.status(invite ?? undefined, call)
  ),
  invite: operation(['invite'], z.tuple([invite.nullable()]), inviteReportSchema, (api, [text], call) =>
    api.invite(text ?? undefined, call)
  ),
  peers: operation([], z.tuple([]), z.array(peerReportSchema), (api, _, call) => api.peers(call)),
  priorCheck: operation(
    ['prior', 'options'],
    // an invite, a manifest's CID or a merged root: `decodeInvite` reads any CID
    z.tuple([text, priorCheckOptionsSchema.extend({ shared: invite.optional() })]),
    priorReportSchema,
    (api, args, call) => api.priorCheck(...args, call)
  ),
  merge: operation(['invite', 'options'], z.tuple([invite, mergeOptionsSchema]), mergeReportSchema, (api, args, call) =>
    api.merge(...args, call)
  ),
  verify: operation(['cid', 'options'], z.tuple([cid, verifyOptionsSchema]), verifyReportSchema, (api, args, call) =>
    api.verify(...args, call)
  ),
  export: operation(['cid', 'options'], z.tuple([cid, exportOptionsSchema]), exportReportSchema, (api, args, call) =>
    api.export(...args, call)
  ),
  evaluate: operation(
    ['cid', 'options'],
    z.tuple([cid, evaluateOptionsSchema]),
    evaluateReportSchema,
    (api, args, call) => api.evaluate(...args, call)
  ),
  import: operation(['file'], z.tuple([text]), importReportSchema, (api, args, call) => api.import(...args, call)),
  gc: operation(['options'], z.tuple([gcOptionsSchema]), gcReportSchema, (api, args, call) => api.gc(...args, call)),
  pin: operation(['cid', 'options'], z.tuple([cid, pinOptionsSchema]), pinReportSchema, (api, args, call) =>
    api.pin(...args, call)
  ),
  unpin: operation(['cid'], z.tuple([cid]), z.boolean(), (api, args, call) => api.unpin(...args, call)),
  provide: operation(['cid'], z.tuple([cid]), provideReportSchema, (api, args, call) => api.provide(...args, call)),
  stop: operation([], z.tuple([]), z.null(), async (api, _, call) => {
    await api.stop(call)
    return null
  })
}

export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name)
}

/** Throws `InvalidInputError` naming what is wrong with the arguments of an operation. */
export function checkArguments(name: OperationName, values: readonly unknown[]): unknown[] {
  const { args, names } = OPERATIONS[name]
  const checked = args.safeParse(values)
  if (checked.success) return checked.data
  throw new InvalidInputError(checked.error.issues.map(issue => `${name}: ${explain(issue, names)}`).join('; '))
}

/**
 * The API whose operations are `call`s by name: what the HTTP client, the library and the command line have in common. The arguments have
 * passed `checkArguments`; the result is what `call` resolves to.
 */
export function apiOf(
  call: (name: OperationName, args: unknown[], options: CallOptions) => Promise<unknown>
): CoOptApi {
  const checked = async <T>(name: OperationName, values: readonly unknown[], options: CallOptions = {}): Promise<T> =>
    (await call(name, checkArguments(name, values), options)) as T
  return {
    publish: (source, options, o) => checked('publish', [source, options], o),
    join: (invite, options, o) => checked('join', [invite, options], o),
    status: (invite, o) => checked('status', [invite ?? null], o),
    invite: (invite, o) => checked('invite', [invite ?? null], o),
    peers: o => checked('peers', [], o),
    priorCheck: (prior, options, o) => checked('priorCheck', [prior, options], o),
    merge: (invite, options, o) => checked('merge', [invite, options], o),
    verify: (cid, options = {}, o) => checked('verify', [cid, options], o),
    export: (cid, options, o) => checked('export', [cid, options], o),
    evaluate: (cid, options, o) => checked('evaluate', [cid, options], o),
    import: (file, o) => checked('import', [file], o),
    gc: (options, o) => checked('gc', [options], o),
    pin: (cid, options, o) => checked('pin', [cid, options], o),
    unpin: (cid, o) => checked('unpin', [cid], o),
    provide: (cid, o) => checked('provide', [cid], o),
    stop: async o => {
      await checked('stop', [], o)
    }
  }
}

/** The same API with every argument checked before it is called. */
export function withCheckedArguments(api: CoOptApi): CoOptApi {
  return apiOf(async (name, args, options) => await OPERATIONS[name].invoke(api, args, options))
}

// --- internal ---

/** A check that throws, as a schema's: its message is the issue. */
function passes(check: (value: string) => unknown): (value: string, ctx: z.core.$RefinementCtx<string>) => void {
  return (value, ctx) => {
    try {
      check(value)
    } catch (error) {
      if (!(error instanceof CoOptError)) throw error
      ctx.addIssue({ code: 'custom', message: error.message })
    }
  }
}

function explain({ path: [index, ...path], message, code }: z.core.$ZodIssue, names: readonly string[]): string {
  const argument = typeof index === 'number' ? names[index] : undefined
  if (argument === undefined) return message
  // the message of an invite or CID names it already
  if (code === 'custom' && path.length === 0) return message
  return `${[argument, ...path].join('.')}: ${message}`
}
