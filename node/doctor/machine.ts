/** The machine and the home on it: versions, permissions, configuration, clock, memory, disk. Changes nothing, and works beside a running node. */
import { readFile, stat, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { openManifest, type Swarm } from '../../src/distribute/manifest.ts'
import { VERSION } from '../api/version.ts'
import { loadConfig, type Config } from '../home/config.ts'
import { homeAt, listSwarms, type Home } from '../home/home.ts'
import { HOME_VERSION, readHomeVersion } from '../home/version.ts'
import { diskNeed } from '../participant/disk-need.ts'
import { byteText } from '../process/quantities.ts'
import { verify } from '../process/verify-signature.ts'
import { blockFileOf } from '../store/block-files.ts'
import { errorCode } from '../store/file-system.ts'
import { fail, failed, ok, warn, type Finding } from './finding.ts'

/** Blocks of files have 1 MiB, and a swarm adds a few small ones for each. */
const BLOCK_BYTES = 1024 * 1024
const INODES_PER_BLOCK = 1.5

/** Any release of this program is younger. */
const EARLIEST = Date.UTC(2026, 0, 1)
const CLOCK_SLACK_MS = 60_000

export function versions(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number)
  const text = `coopt ${VERSION}, Node ${process.versions.node}, ${process.platform} ${process.arch}`
  return major >= 24 ? ok('versions', text) : fail('versions', text, 'Install Node 24 or newer.')
}

/** The configuration, if it can be read. */
export async function homeAndConfig(root: string): Promise<{ findings: Finding[]; config?: Config }> {
  const home = homeAt(root)
  const findings: Finding[] = []
  try {
    const { version, isMigrating } = await readHomeVersion(root)
    const mode = (await stat(root)).mode & 0o777
    const isOpen = process.platform !== 'win32' && (mode & 0o077) !== 0
    if (isMigrating)
      findings.push(warn('home', `${root} is in the middle of a migration`, 'The next start of a node finishes it.'))
    else if (version < HOME_VERSION)
      findings.push(ok('home', `${root} has version ${version}; the next start makes it ${HOME_VERSION}`))
    else findings.push(ok('home', `${root}, version ${version}`))
    if (isOpen)
      findings.push(
        warn('permissions', `other users may look into ${root} (mode ${mode.toString(8)})`, `Run: chmod 700 ${root}`)
      )
    findings.push(...(await keyFinding(home)))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') return { findings: [...findings, failed('home', error)] }
    const remedy = 'Run "coopt init", or name another home with --home.'
    return { findings: [...findings, fail('home', `there is no home in ${root}`, remedy)] }
  }
  try {
    const config = await loadConfig(home)
    return { findings: [...findings, ok('config', 'config.json is valid')], config }
  } catch (error) {
    return { findings: [...findings, failed('config', error)] }
  }
}

/** A clock that is off does not make anything wrong, but leases, logs and certificates look strange. */
export async function clock(root: string, now = Date.now()): Promise<Finding> {
  if (now < EARLIEST)
    return fail('clock', `it is ${new Date(now).toISOString()} here`, 'Set the clock; run an NTP client.')
  const newest = Math.max(
    ...(await Promise.all(['version', 'config.json', 'api.json'].map(name => changedAt(join(root, name)))))
  )
  if (newest > now + CLOCK_SLACK_MS)
    return warn(
      'clock',
      `files of the home are from ${new Date(newest).toISOString()}, and it is ${new Date(now).toISOString()}`,
      'The clock went back: run an NTP client.'
    )
  return ok('clock', new Date(now).toISOString())
}

export function memory({ inference }: Config, total = totalmem()): Finding {
  const limit = inference.memoryBytes ?? DEFAULT_MEMORY
  const text = `${byteText(total)}, ${availableParallelism()} processors; models run on ${inference.device ?? 'the CPU'} with at most ${byteText(limit)}`
  return limit < total
    ? ok('memory', text)
    : warn(
        'memory',
        text,
        'Lower inference.memoryBytes, so that the inference process is ended before the system ends another.'
      )
}

/** What is free against what the swarms of the home may still need. */
export async function disk(root: string, config: Config): Promise<Finding[]> {
  const { bavail, bsize, ffree, files } = await statfs(root)
  const free = bavail * bsize
  const spare = free - config.store.minFreeBytes
  const swarms = await knownSwarms(root)
  let need = 0
  for (const { manifest } of swarms) {
    const rootsHere = async (cids: Parameters<Parameters<typeof diskNeed>[1]>[0]): Promise<boolean[]> =>
      await Promise.all(cids.map(async cid => await exists(blockFileOf(homeAt(root).blocks, cid)?.path)))
    need += (await diskNeed(manifest, rootsHere)).everything
  }
  const what = swarms.length === 1 ? 'the swarm' : `the ${swarms.length} swarms`
  const text =
    `${byteText(free)} free, of which ${byteText(config.store.minFreeBytes)} are left alone` +
    (swarms.length === 0 ? '' : `; doing all of ${what} alone would need up to ${byteText(need)}`)
  const findings: Finding[] = [
    spare <= 0
      ? fail('disk', text, 'Free space, or lower store.minFreeBytes: nothing new is stored.')
      : need > spare
        ? warn('disk', text, 'Free space, use "coopt join --max-partitions", or move the home.')
        : ok('disk', text)
  ]
  const inodes = Math.ceil((need / BLOCK_BYTES) * INODES_PER_BLOCK)
  // file systems without a fixed number (btrfs) say 0
  if (files > 0) {
    const inodeText = `${ffree} inodes free${need === 0 ? '' : `, up to ${inodes} needed`}`
    findings.push(
      ffree < Math.max(1000, inodes)
        ? warn('inodes', inodeText, 'Remove small files, or move the home to a file system with more inodes.')
        : ok('inodes', inodeText)
    )
  }
  return findings
}

// --- internal ---

/** As inference/limits.ts has it. */
const DEFAULT_MEMORY = 4 * 1024 ** 3

async function keyFinding({ identity }: Home): Promise<Finding[]> {
  const { mode } = await stat(identity)
  return (mode & 0o077) === 0 || process.platform === 'win32'
    ? []
    : [fail('permissions', `other users can read the key ${identity}`, `Run: chmod 600 ${identity}`)]
}

async function knownSwarms(root: string): Promise<Swarm[]> {
  const home = homeAt(root)
  const swarms = await Promise.all(
    (await listSwarms(home)).map(async cid => {
      const bytes = await readFile(home.swarm(cid).manifest).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return undefined
        throw error
      })
      return bytes === undefined ? [] : [openManifest(bytes, verify)]
    })
  )
  return swarms.flat()
}

async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0
    throw error
  }
}

async function exists(path: string | undefined): Promise<boolean> {
  return path !== undefined && (await changedAt(path)) > 0
}
