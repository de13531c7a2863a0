/**
 * A disk in memory that keeps exactly what POSIX promises and no more, so that tests can fail any call and cut the power anywhere. What
 * survives a cut is decided in simulated-inode.ts:
 *
 * - File data is durable after (data)sync of the file; before that a cut keeps any mixture of 512-byte sectors.
 * - A name is durable after sync of its directory; before that a cut keeps some prefix of the directory's changes, and a rename
 *   from one directory to another may be half done. A new directory is itself a name in its parent.
 * - After a failed sync the pages count as clean: a second sync succeeds and writes nothing (as Linux does).
 */
import { basename, dirname } from 'node:path'
import type { FileHandle, FileSystem } from '../../node/store/file-system.ts'
import { directoryHandle, fileHandle, type DiskCalls } from './simulated-handle.ts'
import { apply, change, emptyDirectory, errno, survivor, type Directory, type Inode } from './simulated-inode.ts'

export interface Call {
  /** 1, 2, 3, ... over all calls to this disk */
  index: number
  operation: string
  path: string
}

/** What to do to a call: nothing, read or write only half of the bytes, stop for good, or fail with this errno. */
export type Fault = undefined | 'short' | 'power-cut' | `E${string}`

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
    return entry === 'directory' ? directoryHandle(path, this.#disk()) : fileHandle(path, entry, this.#disk())
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

  #disk(): DiskCalls {
    return {
      call: (operation, path) => this.#call(operation, path),
      closed: () => this.openHandles--,
      settle: path => {
        const directory = this.#directory(path)
        directory.durable = new Map(directory.now)
        directory.changes = []
      }
    }
  }
}
