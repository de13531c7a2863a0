/** `coopt init`: an identity and a configuration in a new home. */
import { randomInt } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { DamagedStoreError } from '../../src/errors.ts'
import type { InitReport } from '../api/reports.ts'
import { loadConfig, parseConfig, type ConfigFile } from './config.ts'
import { homeAt, prepareHome } from './home.ts'
import { createIdentity, loadIdentity } from './identity.ts'
import { lockHome } from './lock.ts'
import { HOME_VERSION, readHomeVersion, writeHomeVersion } from './version.ts'
import { isPortFree, listenOn } from '../network/listen.ts'
import { writeJsonAtomic } from '../store/atomic-file.ts'
import { errorCode } from '../store/file-system.ts'

/**
 * A home keeps the port that it drew, so that a router can forward it and an invite holds after a restart. Above the ports of well-known
 * programs (Kubo has 4001), below the range from which Linux takes ports for outgoing connections (32768).
 */
const FIRST_PORT = 20_000
const END_PORT = 32_768
/** So many of a range of 12,768 are never all taken; if they are, binding is what fails, and the start says why. */
const MAX_DRAWS = 100

/**
 * Make a home in a directory that has none yet, or report the one that is there; `config` is what shall differ from the defaults.
 *
 * Throws `DamagedStoreError` for a home whose key is missing or damaged, `HomeVersionError` for one of a newer version, `HomeLockedError` when
 * a process uses it, `InvalidInputError` for a wrong configuration.
 */
export async function initHome(path: string, config: ConfigFile = {}): Promise<InitReport> {
  const root = resolve(path)
  const home = homeAt(root)
  parseConfig(config, 'the configuration of the new home')
  const existing = async (): Promise<InitReport> => {
    await readHomeVersion(root)
    await loadConfig(home)
    return { home: root, peer: (await loadIdentity(home.identity)).peerId, created: false }
  }
  if ((await exists(home.identity)) && (await exists(home.config))) return await existing()

  const lock = await lockHome(root, { what: 'coopt init' })
  try {
    const hasKey = await exists(home.identity)
    const hasConfig = await exists(home.config)
    if (hasKey && hasConfig) return await existing() // another process was faster
    if (hasConfig) {
      throw new DamagedStoreError(
        `${root} has a configuration but its key ${home.identity} is missing; restore the key, or make a home elsewhere`
      )
    }
    await prepareHome(home)
    await writeHomeVersion(root, HOME_VERSION)
    // a key alone is what a crash in the middle of this left: go on with it
    const identity = hasKey ? await loadIdentity(home.identity) : await createIdentity(home.identity)
    await writeJsonAtomic(home.config, await withPort(config)) // last: from here on the home counts as made
    return { home: root, peer: identity.peerId, created: true }
  } finally {
    await lock.release()
  }
}

// --- internal ---

async function withPort(config: ConfigFile): Promise<ConfigFile> {
  if (config.network?.listen !== undefined) return config
  return { ...config, network: { listen: listenOn(await drawPort()), ...config.network } }
}

/** Free on this machine now. */
async function drawPort(): Promise<number> {
  let port = randomInt(FIRST_PORT, END_PORT)
  for (let draws = 1; draws < MAX_DRAWS && !(await isPortFree(port)); draws++) port = randomInt(FIRST_PORT, END_PORT)
  return port
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
