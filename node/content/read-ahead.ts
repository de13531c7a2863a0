/**
 * The leaves of a file for one that reads them more or less in order: while it works with one, the next are on their way to the store.
 *
 * Memory: none here; a transfer has at most 4 MiB of blocks that are being stored. Bytes on the disk: `ahead` leaves beyond the reader's place.
 */
import type { CID } from 'multiformats/cid'
import type { FileLeaves } from '../../src/distribute/unixfs-leaves.ts'
import type { LocalContent } from './local-content.ts'
import type { FetchOptions, Transfers } from './transfers.ts'

export interface ReadAheadComponents {
  local: Pick<LocalContent, 'has' | 'peek'>
  transfers: Transfers
  /** From the store, else from peers */
  block(cid: CID, options: FetchOptions): Promise<Uint8Array>
}

/** Returns the reader of leaves. What it started ends with `options.signal`. */
export function readAhead(
  { leaves }: FileLeaves,
  ahead: number,
  { local, transfers, block }: ReadAheadComponents,
  options: FetchOptions
): (cid: CID) => Promise<Uint8Array> {
  const places = new Map(leaves.map(({ cid }, place) => [cid.toString(), place]))
  /** Leaves before this one have been asked for or were here, since the reader's last jump. */
  let covered = 0
  let from = 0

  /** Ask for what is lacking from `place` on. */
  const advance = (place: number): void => {
    const isJump = place < from || place > covered
    if (isJump) from = place
    if (isJump) covered = place
    if (covered === leaves.length || covered - place > ahead / 2) return
    const end = Math.min(leaves.length, place + ahead)
    const next = leaves.slice(covered, end)
    covered = end
    const bring = async (): Promise<void> => {
      const lacking = []
      for (const leaf of next) if (!(await local.has(leaf.cid))) lacking.push(leaf)
      await transfers.bring(lacking, options)
    }
    // shows when the reader comes to a leaf that is not there; it then starts anew
    bring().catch(() => {
      covered = -1
    })
  }

  return async cid => {
    const place = places.get(cid.toString())
    if (place !== undefined) advance(place)
    const held = await local.peek(cid)
    if (held !== undefined) return held
    return await block(cid, options)
  }
}
