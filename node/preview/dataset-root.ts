/** What a person named: a merged dataset, or a swarm. */
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'

/** The root of a merged dataset, which is a UnixFS directory; undefined for a manifest's CID, an invite and everything else. */
export function datasetRoot(text: string): CID | undefined {
  try {
    const cid = CID.parse(text)
    return cid.code === dagPb.code ? cid : undefined
  } catch {
    return undefined // whoever reads invites says what is wrong with it
  }
}
