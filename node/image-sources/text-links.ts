/**
 * Links that Git checked out as text files: without core.symlinks, as on Windows and on file systems without links, the file holds the path that the
 * link leads to, and nothing else. They are told apart from other text by leading somewhere.
 */
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

export const LINK_REMEDY =
  'run "git config core.symlinks true" and check them out again, or give the folders that they lead to'

/** Longest path of most systems. */
export const MAX_LINK_BYTES = 4096

/** Is this file, of these bytes, the text of a link to something that exists? The path is looked at, and never read. */
export async function isTextLink(path: string, bytes: Uint8Array): Promise<boolean> {
  if (bytes.byteLength === 0 || bytes.byteLength > MAX_LINK_BYTES) return false
  const target = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  if (!target.includes('/') || /[\p{Cc}\ufffd]/u.test(target)) return false
  return await stat(resolve(dirname(path), target)).then(
    () => true,
    () => false
  )
}
