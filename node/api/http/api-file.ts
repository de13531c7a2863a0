/**
 * `api.json` in the home directory (0600): the port of the home's daemon, and the token for its local API. Reading the file is what gives
 * control of the node.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, nodeFileSystem, removeIfPresent } from '../../store/file-system.ts'
import { readJson, writeJsonAtomic } from '../../store/atomic-file.ts'

const schema = z.object({
  pid: z.number().int().positive(),
  port: z.number().int().min(1).max(65_535),
  token: z.string().min(32).max(128),
  /** Inode of the home: in a copy of it the file means nothing, the daemon is the original's */
  directory: z.string().max(32).optional()
})

export type ApiEndpoint = Omit<z.infer<typeof schema>, 'directory'>

export function apiFilePath(home: string): string {
  return join(home, 'api.json')
}

export async function writeApiFile(home: string, endpoint: ApiEndpoint): Promise<void> {
  await writeJsonAtomic(apiFilePath(home), { ...endpoint, directory: await inodeOf(home) }, { mode: 0o600 })
}

/** Undefined when there is none, when its process is gone (kill -9 leaves the file behind), or when it was copied here with its home. */
export async function readApiFile(home: string): Promise<ApiEndpoint | undefined> {
  const found = await readJson(apiFilePath(home), schema)
  if (found === undefined || !isAlive(found.pid)) return undefined
  const { directory, ...endpoint } = found
  return directory === undefined || directory === (await inodeOf(home)) ? endpoint : undefined
}

/** Removes the file unless another process has replaced it. */
export async function removeApiFile(home: string, token: string): Promise<void> {
  const endpoint = await readJson(apiFilePath(home), schema)
  if (endpoint?.token === token) await removeIfPresent(nodeFileSystem, apiFilePath(home))
}

// --- internal ---

async function inodeOf(directory: string): Promise<string> {
  return (await stat(directory, { bigint: true })).ino.toString()
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM' // it exists, under another user
  }
}
