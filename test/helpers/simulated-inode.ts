/** Files and directories of the simulated disk (simulated-disk.ts): what they hold now, and what of it a power cut leaves. */

export interface Inode {
  data: Buffer
  durable: Buffer
  dirty: boolean
}
export type Entry = Inode | 'directory'
export type Change = Array<[name: string, entry: Entry | undefined]>

export interface Directory {
  now: Map<string, Entry>
  durable: Map<string, Entry>
  changes: Change[]
}

const SECTOR = 512

export function emptyDirectory(): Directory {
  return { now: new Map(), durable: new Map(), changes: [] }
}

export function apply(names: Map<string, Entry>, step: Change): void {
  for (const [name, entry] of step) {
    if (entry === undefined) names.delete(name)
    else names.set(name, entry)
  }
}

export function change(directory: Directory, step: Change): void {
  apply(directory.now, step)
  directory.changes.push(step)
}

/** Data after a cut: the synced version, the written one, or sectors of both. */
export function survivor(inode: Inode, keep: (n: number) => number): Inode {
  const { data, durable } = inode
  if (data.equals(durable)) return { data, durable, dirty: false }
  const length = durable.byteLength + keep(Math.max(0, data.byteLength - durable.byteLength))
  const left = Buffer.alloc(length)
  durable.copy(left)
  for (let at = 0; at < left.byteLength; at += SECTOR) {
    if (keep(1) === 1) data.copy(left, at, at, Math.min(at + SECTOR, left.byteLength, data.byteLength))
  }
  return { data: left, durable: Buffer.from(left), dirty: false }
}

export function errno(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code })
}
