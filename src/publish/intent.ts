/**
 * Intents: signed hints that a peer is about to change the dataset without holding a partition: its prior's score is being computed, or it improves
 * finished work. Like leases (lease.ts) they are no records: they expire on the observer's own clock, are never stored, and decide only for how
 * long a node that could leave stays.
 */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Manifest } from '../distribute/manifest.ts'
import { isSignedBy, seal, type Sign, type Verify } from '../envelope.ts'
import { InvalidRecordError } from '../errors.ts'
import { extensionsOf } from '../extension.ts'
import { checkHead, cid, count, decodeStatement, key, openStatement } from './record.ts'

/** An intent including its extensions must fit 512 bytes (protocols/gossip). */
export const MAX_INTENT_EXTENSION_BYTES = 128

const DOMAIN = 'coopt/1/intent\0'

export const intentSchema = z.strictObject({
  v: z.literal(1),
  swarm: cid,
  author: key,
  type: z.literal('intent'),
  /** `score`: my prior's targets on the shared set are coming. `improve`: I replace finished work of clearly weaker priors. */
  task: z.enum(['score', 'improve']),
  /** Grows with every announcement; an older one is ignored */
  counter: count,
  /** Nothing more is coming */
  released: z.boolean(),
  ext: extensionsOf(MAX_INTENT_EXTENSION_BYTES)
})

export type Intent = z.infer<typeof intentSchema>

export async function sealIntent(intent: Intent, sign: Sign): Promise<Uint8Array> {
  return await seal(DOMAIN, intent, sign)
}

/** Same checks as `openLease`, for an intent. Throws `InvalidRecordError`. */
export function openIntent(bytes: Uint8Array, swarm: { id: CID; manifest: Manifest }, verify: Verify): Intent {
  const envelope = openStatement(bytes)
  const parsed = intentSchema.safeParse(decodeStatement(envelope))
  if (!parsed.success) throw new InvalidRecordError('schema', `not an intent: ${z.prettifyError(parsed.error)}`)
  checkHead(parsed.data, swarm)
  if (!isSignedBy(envelope, DOMAIN, parsed.data.author, verify))
    throw new InvalidRecordError('bad-signature', 'the signature is not that of the author')
  return parsed.data
}
