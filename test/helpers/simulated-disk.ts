/**
 * A disk in memory that keeps exactly what POSIX promises and no more, so that tests can fail any call and cut the power anywhere.
 *
 * - File data is durable after (data)sync of the file; before that a cut keeps any mixture of 512-byte sectors.
 * - A name is durable after sync of its directory; before that a cut keeps some prefix of the directory's changes, and a rename
 *   from one directory to another may be half done. A new directory is itself a name in its parent.
 * - After a failed sync the pages count as clean: a second sync succeeds and writes nothing (as Linux does).
 */
import { basename, dirname } from 'node:path'
import type { FileHandle, FileSystem } from '../../node/store/file-system.ts'

interface Inode {
  data: Buffer
  durable: Buffer
  dirty: boolean
}
type Entry = Inode | 'directory'
type Change = Array<[name: string, entry: Entry | undefined]>

interface Directory {
  now: Map<string, Entry>
  durable: Map<string, Entry>
  changes: Change[]
}

export interface Call {
  /** 1, 2, 3, ... over all calls to this disk */
  index: number
  operation: string
  path: string
}

/** What to do to a call: nothing, read or write only half of the bytes, stop for good, or fail with this errno. */
export type Fault = undefined | 'short' | 'power-cut' | `E${string}`

const SECTOR = 512

export class SimulatedDisk implements FileSystem {
  readonly #directories = new Map<string, Directory>([['/', emptyDirectory()]])
  readonly trace: Call[] = []
  fault: (call: Call) => Fault = () => undefined
  openHandles = 0
  freeBytes = 2 ** 40
  #off = false

  /** A disk that holds nothing but an empty, durable `/home`. */
  constructor() {
    this.#makeDirectory('/home')
    this.#settle()
  }

  async open(path: string, flags: string): Promise<FileHandle> {
    this.#call('open', path)
    const inDirectory = this.#parent(path)
    let entry = path === '/' ? 'directory' : inDirectory.now.get(basename(path))
    if (flags === 'wx' && entry !== undefined) throw errno('EEXIST', 'open', path)
    if (entry === undefined) {
      if (flags.startsWith('r')) throw errno('ENOENT', 'open', path)
      entry = { data: Buffer.alloc(0), durable: Buffer.alloc(0), dirty: true }
      change(inDirectory, [[basename(path), entry]])
    }
    this.openHandles++
    return entry === 'directory' ? this.#directoryHandle(path) : this.#fileHandle(path, entry)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call('rename', to)
    const [source, target] = [this.#parent(from), this.#parent(to)]
    const entry = source.now.get(basename(from))
    if (entry === undefined) throw errno('ENOENT', 'rename', from)
    if (source === target) {
      // one change: atomic
      change(source, [
        [basename(from), undefined],
        [basename(to), entry]
      ])
    } else {
      change(target, [[basename(to), entry]])
      change(source, [[basename(from), undefined]])
    }
  }

  async link(existing: string, name: string): Promise<void> {
    this.#call('link', name)
    const entry = this.#parent(existing).now.get(basename(existing))
    if (entry === undefined) throw errno('ENOENT', 'link', existing)
    if (this.#parent(name).now.has(basename(name))) throw errno('EEXIST', 'link', name)
    change(this.#parent(name), [[basename(name), entry]])
  }

  async unlink(path: string): Promise<void> {
    this.#call('unlink', path)
    if (!this.#parent(path).now.has(basename(path))) throw errno('ENOENT', 'unlink', path)
    change(this.#parent(path), [[basename(path), undefined]])
  }

  async mkdir(path: string): Promise<void> {
    this.#call('mkdir', path)
    this.#makeDirectory(path)
  }

  async readdir(path: string): Promise<string[]> {
    this.#call('readdir', path)
    return [...this.#directory(path).now.keys()]
  }

  async stat(path: string): Promise<{ size: number; mode: number }> {
    this.#call('stat', path)
    const entry = this.#parent(path).now.get(basename(path))
    if (entry === undefined) throw errno('ENOENT', 'stat', path)
    return { size: entry === 'directory' ? 0 : entry.data.byteLength, mode: 0o600 }
  }

  async statfs(path: string): Promise<{ bavail: number; bsize: number }> {
    this.#call('statfs', path)
    return { bavail: this.freeBytes, bsize: 1 }
  }

  async chmod(path: string): Promise<void> {
    this.#call('chmod', path)
  }

  /** What is left after the power failed, as a new disk. `keep(n)`: a number in [0, n], how much of what was not synced survives. */
  afterPowerCut(keep: (n: number) => number): SimulatedDisk {
    const left = new SimulatedDisk()
    const copies = new Map<Inode, Inode>()
    const copy = (path: string): void => {
      const { durable, changes } = this.#directory(path)
      const names = new Map(durable)
      for (const step of changes.slice(0, keep(changes.length))) apply(names, step)
      const target = left.#directory(path)
      for (const [name, entry] of names) {
        const child = path === '/' ? `/${name}` : `${path}/${name}`
        if (entry === 'directory') {
          left.#makeDirectory(child)
          copy(child)
          continue
        }
        const inode = copies.get(entry) ?? survivor(entry, keep)
        copies.set(entry, inode)
        target.now.set(name, inode)
      }
    }
    copy('/')
    left.#settle()
    return left
  }

  /** Contents of a file as a process sees it now. */
  peek(path: string): Buffer | undefined {
    const entry = this.#directories.get(dirname(path))?.now.get(basename(path))
    return entry === undefined || entry === 'directory' ? undefined : entry.data
  }

  /** Change what is stored, behind everybody's back. */
  damage(path: string, change: (data: Buffer) => Buffer): void {
    const entry = this.#parent(path).now.get(basename(path))
    if (entry === undefined || entry === 'directory') throw errno('ENOENT', 'damage', path)
    entry.data = entry.durable = change(Buffer.from(entry.data))
  }

  /** Paths of all files. */
  files(): string[] {
    return [...this.#directories].flatMap(([path, { now }]) =>
      [...now].filter(([, entry]) => entry !== 'directory').map(([name]) => `${path === '/' ? '' : path}/${name}`)
    )
  }

  // --- internal ---

  #call(operation: string, path: string): 'short' | undefined {
    if (this.#off) throw errno('EIO', operation, path)
    const call = { index: this.trace.length + 1, operation, path }
    this.trace.push(call)
    const fault = this.fault(call)
    if (fault === 'power-cut') {
      this.#off = true
      throw errno('EIO', operation, path)
    }
    if (fault !== undefined && fault !== 'short') throw errno(fault, operation, path)
    return fault
  }

  /** Make all names durable. */
  #settle(): void {
    for (const directory of this.#directories.values()) {
      directory.durable = new Map(directory.now)
      directory.changes = []
    }
  }

  #directory(path: string): Directory {
    const directory = this.#directories.get(path)
    if (directory === undefined) throw errno('ENOENT', 'look up', path)
    return directory
  }

  #parent(path: string): Directory {
    return this.#directory(dirname(path))
  }

  #makeDirectory(path: string): void {
    if (this.#directories.has(path)) return
    if (!this.#directories.has(dirname(path))) this.#makeDirectory(dirname(path))
    this.#directories.set(path, emptyDirectory())
    change(this.#parent(path), [[basename(path), 'directory']])
  }

  #fileHandle(path: string, inode: Inode): FileHandle {
    const sync = (operation: string): void => {
      try {
        this.#call(operation, path)
      } catch (error) {
        inode.dirty = false // the kernel gives up on these pages
        throw error
      }
      if (inode.dirty) inode.durable = Buffer.from(inode.data)
      inode.dirty = false
    }
    return {
      read: async (buffer, offset, length, position) => {
        const short = this.#call('read', path) === 'short'
        const end = Math.min(inode.data.byteLength, position + (short ? Math.ceil(length / 2) : length))
        return { bytesRead: position < end ? inode.data.copy(buffer, offset, position, end) : 0 }
      },
      write: async (buffer, offset, length, position) => {
        let written = length
        try {
          if (this.#call('write', path) === 'short') written = Math.ceil(length / 2)
        } catch (error) {
          this.#write(inode, buffer.subarray(offset, offset + Math.floor(length / 2)), position) // torn
          throw error
        }
        this.#write(inode, buffer.subarray(offset, offset + written), position)
        return { bytesWritten: written }
      },
      truncate: async length => {
        this.#call('truncate', path)
        inode.data = Buffer.concat([
          inode.data.subarray(0, length),
          Buffer.alloc(Math.max(0, length - inode.data.byteLength))
        ])
        inode.dirty = true
      },
      datasync: async () => sync('datasync'),
      sync: async () => sync('sync'),
      stat: async () => {
        this.#call('fstat', path)
        return { size: inode.data.byteLength }
      },
      close: this.#closer(path)
    }
  }

  /** Closing a second time does nothing, as in Node. */
  #closer(path: string): () => Promise<void> {
    let open = true
    return async () => {
      if (!open) return
      open = false
      this.openHandles--
      this.#call('close', path)
    }
  }

  #write(inode: Inode, bytes: Uint8Array, position: number): void {
    const size = Math.max(inode.data.byteLength, position + bytes.byteLength)
    const data = Buffer.alloc(size)
    inode.data.copy(data)
    data.set(bytes, position)
    inode.data = data
    inode.dirty = true
  }

  #directoryHandle(path: string): FileHandle {
    const unsupported = async (): Promise<never> => {
      throw errno('EISDIR', 'use as a file', path)
    }
    return {
      read: unsupported,
      write: unsupported,
      truncate: unsupported,
      datasync: unsupported,
      stat: unsupported,
      sync: async () => {
        this.#call('sync directory', path)
        const directory = this.#directory(path)
        directory.durable = new Map(directory.now)
        directory.changes = []
      },
      close: this.#closer(path)
    }
  }
}

// --- internal ---

function emptyDirectory(): Directory {
  return { now: new Map(), durable: new Map(), changes: [] }
}

function apply(names: Map<string, Entry>, step: Change): void {
  for (const [name, entry] of step) {
    if (entry === undefined) names.delete(name)
    else names.set(name, entry)
  }
}

function change(directory: Directory, step: Change): void {
  apply(directory.now, step)
  directory.changes.push(step)
}

/** Data after a cut: the synced version, the written one, or sectors of both. */
function survivor(inode: Inode, keep: (n: number) => number): Inode {
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

function errno(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code })
}
