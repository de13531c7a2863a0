/** What a person named by text: a UnixFS directory (a merged dataset, a bundle of a prior), or something else. */
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'

/** Undefined for a manifest's CID, an invite, a path and everything else. */
export function directoryCid(text: string): CID | undefined {
  try {
    const cid = CID.parse(text)
    return cid.code === dagPb.code ? cid : undefined
  } catch {
    return undefined // whoever reads invites or paths says what is wrong with it
  }
}
