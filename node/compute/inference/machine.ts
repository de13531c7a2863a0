/** How much of this machine inference takes where nobody says: all cores, at the lowest priority but idle (worker.ts), so that what else runs goes first. */
import { availableParallelism } from 'node:os'
import type { DeviceSettings } from './accelerator.ts'

export interface MachineShare {
  /** Threads of a single operator. @default all cores but one */
  readonly threads?: number
  /** Threads that decode images. @default half the cores */
  readonly workers?: number
  /** Images that go through the model at once. @default by the memory that the process may have */
  readonly batch?: number
  /** Where the model runs: `auto`, `cpu`, `cuda:0` and others (api/device-name.ts). @default what the settings say */
  readonly device?: string | undefined
  /** Of the home. @default the CPU */
  readonly machine?: DeviceSettings
}

/** What of it is given */
export function machineShare({
  threads,
  workers,
  batch,
  device,
  machine
}: { [K in keyof MachineShare]: MachineShare[K] | undefined }): MachineShare {
  return {
    ...(threads === undefined ? {} : { threads }),
    ...(workers === undefined ? {} : { workers }),
    ...(batch === undefined ? {} : { batch }),
    ...(device === undefined ? {} : { device }),
    ...(machine === undefined ? {} : { machine })
  }
}

/** More threads of one operator wait for each other most of the time on models of the usual size. */
const MOST_THREADS = 16

/** Threads of a single operator: all cores but one, which reads, decodes and projects. */
export function defaultThreads(cores = availableParallelism()): number {
  return Math.min(MOST_THREADS, Math.max(1, cores - 1))
}

/**
 * Threads that decode, each of which keeps up to two cores busy (its own and one of libuv). Half the cores: small models take less time than their images,
 * and a thread that has nothing to do costs some memory alone.
 */
export function defaultWorkers(cores = availableParallelism()): number {
  return Math.max(1, Math.floor(cores / 2))
}
