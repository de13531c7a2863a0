/** Sources of `coopt publish` as typed -> as the API takes them: absolute paths, and `/ipfs/CID[/path]`; `-` is stdin. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { CID } from 'multiformats/cid'

/** A bare CID is one unless a file of that name is there. */
export function sourceArgument(cwd: string, text: string): string {
  if (text === '-') return STDIN
  const ipfs = text.replace(/^ipfs:\/\//, '/ipfs/')
  if (ipfs.startsWith('/ipfs/')) return ipfs
  const path = resolve(cwd, text)
  return isCid(text.split('/', 1)[0] ?? '') && !existsSync(path) ? `/ipfs/${text}` : path
}

/** Is it content by CID, which may have to be fetched from peers? */
export const isRemote = (source: string): boolean => source.startsWith('/ipfs/')

/** Is it a pipe of this process (stdin, `<(command)`), which no other process can read? */
export function isPipe(source: string): boolean {
  if (isRemote(source)) return false
  const facts = statSync(source, { throwIfNoEntry: false })
  return facts !== undefined && !facts.isFile() && !facts.isDirectory()
}

// --- internal ---

/** Where every process finds its own */
const STDIN = '/dev/stdin'

function isCid(text: string): boolean {
  try {
    CID.parse(text)
    return true
  } catch {
    // the parser has no other way to say no
    return false
  }
}
