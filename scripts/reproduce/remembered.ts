/** Results of figures that compute for minutes themselves, in files named by what they depend on. */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../node/store/atomic-file.ts'
import { errorCode } from '../../node/store/file-system.ts'

/** `key` must name everything that the result depends on. */
export function rememberIn(folder: string): <T>(key: string, compute: () => Promise<T>) => Promise<T> {
  return async <T>(key: string, compute: () => Promise<T>): Promise<T> => {
    const path = join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`)
    try {
      // the folder is this program's own cache
      return JSON.parse(await readFile(path, 'utf8')) as T
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
    const value = await compute()
    await mkdir(folder, { recursive: true })
    await writeFileAtomic(path, new TextEncoder().encode(JSON.stringify(value)))
    return value
  }
}
