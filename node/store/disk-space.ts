/**
 * Limits of a store: its quota and a minimum of free space on the disk. Below the minimum nothing new is stored, but everything is still served; the
 * store recovers by itself once there is space.
 */
import { StoreFullError } from '../../src/errors.ts'
import { storeError, type FileSystem } from './file-system.ts'

export type DiskState = 'ok' | 'low'

export interface DiskSpaceInit {
  fs: FileSystem
  path: string
  /** Most bytes of blocks */
  maxBytes: number
  /** Free bytes reserved for the rest of the machine and the logs of this node */
  minFreeBytes: number
  /** Called on every change, with the reason */
  onState?: ((state: DiskState, reason: string) => void) | undefined
}

export interface DiskSpace {
  /** Bytes of blocks held */
  readonly used: number
  readonly state: DiskState
  add(bytes: number): void
  /** Throws `StoreFullError` when `bytes` more must not be stored. */
  admit(bytes: number): Promise<void>
  /** A write failed for lack of space although the figures allowed it (a quota of the operating system). */
  failed(error: Error): void
}

/** Bytes written between two checks of the disk while it is not low: a check costs about 20 µs, writing a MiB some milliseconds. */
const CHECK_EVERY_BYTES = 16 * 1024 * 1024

export function createDiskSpace({ fs, path, maxBytes, minFreeBytes, onState }: DiskSpaceInit): DiskSpace {
  let used = 0
  let state: DiskState = 'ok'
  let unchecked = Number.POSITIVE_INFINITY

  const become = (next: DiskState, reason: string): void => {
    if (next === state) return
    state = next
    onState?.(state, reason)
  }

  const freeBytes = async (): Promise<number> => {
    try {
      const { bavail, bsize } = await fs.statfs(path)
      return bavail * bsize
    } catch (error) {
      throw storeError(error, 'ask for the free space at', path)
    }
  }

  const shortage = async (bytes: number): Promise<string | undefined> => {
    if (used + bytes > maxBytes) {
      return `${path} holds ${used} of at most ${maxBytes} bytes; raise "store.maxBytes" in config.json`
    }
    const free = await freeBytes()
    if (free - bytes >= minFreeBytes) return undefined
    return `${free} bytes are free at ${path}, and ${minFreeBytes} must stay free; make space or lower "store.minFreeBytes" in config.json`
  }

  return {
    get used() {
      return used
    },
    get state() {
      return state
    },
    add: bytes => {
      used = Math.max(0, used + bytes)
    },
    admit: async bytes => {
      unchecked += bytes
      if (state === 'ok' && unchecked < CHECK_EVERY_BYTES && used + bytes <= maxBytes) return
      const reason = await shortage(bytes)
      unchecked = bytes
      if (reason !== undefined) {
        become('low', reason)
        throw new StoreFullError(`a block of ${bytes} bytes cannot be stored: ${reason}`)
      }
      become('ok', 'there is space again')
    },
    failed: error => {
      become('low', error.message)
    }
  }
}
