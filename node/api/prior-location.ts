/** Where a prior is, as an argument says it: a CID and a URL stay what they are, a path is made absolute. */
import { resolve } from 'node:path'
import { directoryCid } from './directory-cid.ts'

/** `cwd`: what a relative path is relative to. @default that of this process */
export function priorLocation(prior: string, cwd = process.cwd()): string {
  return directoryCid(prior) !== undefined || /^https?:\/\//i.test(prior) ? prior : resolve(cwd, prior)
}
