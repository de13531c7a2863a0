/** Entity tags (RFC 9110, 8.8.3) and the conditions on them. */
import { createHash } from 'node:crypto'

/** The tag without the mark of a weak one. */
const opaque = (tag: string): string => tag.replace(/^W\//, '')

/** `If-None-Match`: weak comparison with any tag of the list, or `*`. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  return (ifNoneMatch.match(/(?:W\/)?"[^"]*"/g) ?? []).some(tag => opaque(tag) === opaque(etag))
}

/** `If-Range`: ranges count only when the tag is the same and strong. A date cannot match, we send none. */
export function isRangeValid(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || (!etag.startsWith('W/') && ifRange.trim() === etag)
}

/** Short, stable and different for different parts. */
export function tagOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}
