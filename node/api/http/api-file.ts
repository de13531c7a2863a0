/**
 * `api.json` in the home directory (0600): the port of the home's daemon, and the token for its local API. Reading the file is what gives
 * control of the node.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { errorCode, nodeFileSystem, removeIfPresent } from '../../store/file-system.ts'
import { readJson, writeJsonAtomic } from '../../store/atomic-file.ts'

const schema = z.object({
  pid: z.number().int().positive(),
  port: z.number().int().min(1).max(65_535),
  token: z.string().min(32).max(128)
})

export type ApiEndpoint = z.infer<typeof schema>

export function apiFilePath(home: string): string {
  return join(home, 'api.json')
}

export async function writeApiFile(home: string, endpoint: ApiEndpoint): Promise<void> {
  await writeJsonAtomic(apiFilePath(home), endpoint, { mode: 0o600 })
}

/** Undefined when there is none, or when its process is gone (kill -9 leaves the file behind). */
export async function readApiFile(home: string): Promise<ApiEndpoint | undefined> {
  const endpoint = await readJson(apiFilePath(home), schema)
  return endpoint === undefined || !isAlive(endpoint.pid) ? undefined : endpoint
}

/** Removes the file unless another process has replaced it. */
export async function removeApiFile(home: string, token: string): Promise<void> {
  const endpoint = await readJson(apiFilePath(home), schema)
  if (endpoint?.token === token) await removeIfPresent(nodeFileSystem, apiFilePath(home))
}

// --- internal ---

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM' // it exists, under another user
  }
}
