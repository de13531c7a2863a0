/** Does an argument name a UnixFS directory (a merged dataset, a bundle of a prior) by its CID, or something else? */
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'

/** Undefined for a manifest's CID, an invite, a path and everything else. */
export function directoryCid(text: string): CID | undefined {
  try {
    const cid = CID.parse(text)
    return cid.code === dagPb.code ? cid : undefined
  } catch {
    return undefined // the reader of invites or paths says what is wrong with it
  }
}
