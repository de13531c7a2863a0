/** Where models run by the configuration of a home, for commands that need no home. */
import { stat } from 'node:fs/promises'
import { errorCode, storeError } from '../store/file-system.ts'
import { loadConfig, type Config } from './config.ts'
import type { Home } from './home.ts'

/** The defaults where there is no home. Throws as `loadConfig`. */
export async function readDeviceSettings(
  home: Pick<Home, 'root' | 'config'>
): Promise<Pick<Config['inference'], 'device' | 'libraryFolder'>> {
  const isThere = await stat(home.config).then(
    () => true,
    (error: unknown) => {
      if (errorCode(error) === 'ENOENT') return false
      throw storeError(error, 'read', home.config)
    }
  )
  if (!isThere) return {}
  const { device, libraryFolder } = (await loadConfig(home)).inference
  return { ...(device === undefined ? {} : { device }), ...(libraryFolder === undefined ? {} : { libraryFolder }) }
}
