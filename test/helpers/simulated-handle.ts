/** Open files and directories of the simulated disk (simulated-disk.ts): every call can be failed, cut short, or be the last. */
import type { FileHandle } from '../../node/store/file-system.ts'
import { errno, type Inode } from './simulated-inode.ts'

/** What a handle needs of its disk. */
export interface DiskCalls {
  /** Before anything is done; throws what the call fails with */
  call(operation: string, path: string): 'short' | undefined
  /** A handle was closed */
  closed(): void
  /** Make the names in a directory durable */
  settle(path: string): void
}

export function fileHandle(path: string, inode: Inode, disk: DiskCalls): FileHandle {
  const sync = (operation: string): void => {
    try {
      disk.call(operation, path)
    } catch (error) {
      inode.dirty = false // the kernel gives up on these pages
      throw error
    }
    if (inode.dirty) inode.durable = Buffer.from(inode.data)
    inode.dirty = false
  }
  return {
    read: async (buffer, offset, length, position) => {
      const short = disk.call('read', path) === 'short'
      const end = Math.min(inode.data.byteLength, position + (short ? Math.ceil(length / 2) : length))
      return { bytesRead: position < end ? inode.data.copy(buffer, offset, position, end) : 0 }
    },
    write: async (buffer, offset, length, position) => {
      let written = length
      try {
        if (disk.call('write', path) === 'short') written = Math.ceil(length / 2)
      } catch (error) {
        write(inode, buffer.subarray(offset, offset + Math.floor(length / 2)), position) // torn
        throw error
      }
      write(inode, buffer.subarray(offset, offset + written), position)
      return { bytesWritten: written }
    },
    truncate: async length => {
      disk.call('truncate', path)
      inode.data = Buffer.concat([
        inode.data.subarray(0, length),
        Buffer.alloc(Math.max(0, length - inode.data.byteLength))
      ])
      inode.dirty = true
    },
    datasync: async () => sync('datasync'),
    sync: async () => sync('sync'),
    stat: async () => {
      disk.call('fstat', path)
      return { size: inode.data.byteLength }
    },
    close: closer(path, disk)
  }
}

export function directoryHandle(path: string, disk: DiskCalls): FileHandle {
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
      disk.call('sync directory', path)
      disk.settle(path)
    },
    close: closer(path, disk)
  }
}

// --- internal ---

/** Closing a second time does nothing, as in Node. */
function closer(path: string, disk: DiskCalls): () => Promise<void> {
  let open = true
  return async () => {
    if (!open) return
    open = false
    disk.closed()
    disk.call('close', path)
  }
}

function write(inode: Inode, bytes: Uint8Array, position: number): void {
  const size = Math.max(inode.data.byteLength, position + bytes.byteLength)
  const data = Buffer.alloc(size)
  inode.data.copy(data)
  data.set(bytes, position)
  inode.data = data
  inode.dirty = true
}
