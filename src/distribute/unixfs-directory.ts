/**
 * Files -> UnixFS directory of one dag-pb node (https://specs.ipfs.tech/unixfs/). Links are in byte order of their names, as go-unixfs
 * writes them: the same entries in any order are the same CID, and a copy on disk added with the pinned settings has it too.
 */
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { compareBytes, pbCid } from '../codec.ts'
import type { ContentFile } from './unixfs-import.ts'

/** A file or another directory, under a name that its parent gives it. */
export interface DirectoryEntry {
  readonly name: string
  readonly file: ContentFile
}

/** The directory as something to link (its `bytes` are 0), and its block. Below 256 KiB of links, above which others would shard it. */
export function directoryNode(entries: readonly DirectoryEntry[]): {
  file: ContentFile
  block: { cid: CID; bytes: Uint8Array }
} {
  const encoder = new TextEncoder()
  const links = [...entries]
    .sort((a, b) => compareBytes(encoder.encode(a.name), encoder.encode(b.name)))
    .map(({ name, file }) => dagPb.createLink(name, file.dagBytes, file.cid))
  const bytes = dagPb.encode(dagPb.createNode(new UnixFS({ type: 'directory' }).marshal(), links))
  const dagBytes = entries.reduce((sum, { file }) => sum + file.dagBytes, bytes.byteLength)
  const cid = pbCid(bytes)
  return { file: { cid, bytes: 0, dagBytes }, block: { cid, bytes } }
}
