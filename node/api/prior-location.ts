/** Where a prior and its files are, as arguments say it: a CID and a URL stay what they are, a path is made absolute. */
import { resolve } from 'node:path'
import { directoryCid } from './directory-cid.ts'

/** `cwd`: what a relative path is relative to. @default that of this process */
export function priorLocation(prior: string, cwd = process.cwd()): string {
  return directoryCid(prior) !== undefined || /^https?:\/\//i.test(prior) ? prior : resolve(cwd, prior)
}

/** `options` with absolute paths; `cwd` as for `priorLocation`. */
export function absolutePaths<T extends { readonly [name in (typeof PATHS)[number]]?: string | undefined }>(
  options: T,
  cwd = process.cwd()
): T {
  const given = PATHS.flatMap(name => {
    const path = options[name]
    return path === undefined ? [] : [[name, resolve(cwd, path)] as const]
  })
  return { ...options, ...Object.fromEntries(given) }
}

// --- internal ---

/** Options of a prior that are paths of this machine */
const PATHS = ['image', 'images', 'preprocessing'] as const
