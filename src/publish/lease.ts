/**
 * Leases: signed hints that a peer is working on a partition. They are not records: a lease expires on the observer's own clock, is never stored, and
 * affects only what a node does next.
 */
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Manifest } from '../distribute/manifest.ts'
import { isSignedBy, seal, type Sign, type Verify } from '../envelope.ts'
import { InvalidRecordError } from '../errors.ts'
import { extensionsOf } from '../extension.ts'
import { checkHead, cid, count, decodeStatement, key, openStatement } from './record.ts'

/** A lease including its extensions must fit 512 bytes (protocols/gossip). */
export const MAX_LEASE_EXTENSION_BYTES = 128

export const leaseSchema = z.strictObject({
  v: z.literal(1),
  swarm: cid,
  author: key,
  type: z.literal('lease'),
  partition: count,
  task: z.enum(['optimize', 'align']),
  /** Grows with every renewal; an older one is ignored */
  counter: count,
  /** Rows done so far */
  done: count,
  /** The work was finished or abandoned: others may take it at once */
  released: z.boolean(),
  ext: extensionsOf(MAX_LEASE_EXTENSION_BYTES)
})

export type Lease = z.infer<typeof leaseSchema>

export async function sealLease(lease: Lease, sign: Sign): Promise<Uint8Array> {
  return await seal('coopt/1/lease\0', lease, sign)
}

/** Same checks as `openRecord`, for a lease. Throws `InvalidRecordError`. */
export function openLease(bytes: Uint8Array, swarm: { id: CID; manifest: Manifest }, verify: Verify): Lease {
  const envelope = openStatement(bytes)
  const parsed = leaseSchema.safeParse(decodeStatement(envelope))
  if (!parsed.success) throw new InvalidRecordError('schema', `not a lease: ${z.prettifyError(parsed.error)}`)
  const lease = parsed.data
  checkHead(lease, swarm)
  const rows = swarm.manifest.partitions[lease.partition]?.rows
  if (rows === undefined) {
    throw new InvalidRecordError('out-of-range', `partition ${lease.partition} of ${swarm.manifest.partitions.length}`)
  }
  if (lease.done > rows) throw new InvalidRecordError('out-of-range', `${lease.done} of ${rows} rows done`)
  if (!isSignedBy(envelope, 'coopt/1/lease\0', lease.author, verify)) {
    throw new InvalidRecordError('bad-signature', 'the signature is not that of the author')
  }
  return lease
}
