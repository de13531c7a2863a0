/**
 * A stock Kubo for the interop tests: built by the Go toolchain at one pinned version, kept in `.cache/kubo-VERSION/` of the checkout.
 *
 *     node scripts/interop/kubo.ts      builds it if necessary, prints its path
 *
 * Built in a separate module, because `go install PATH@VERSION` refuses a main module with exclusions, while `go get` accepts the pinned version. The
 * first build takes about five minutes on two cores.
 */
import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The only place that pins the Kubo version of the tests. */
export const KUBO_VERSION = '0.41.0'

const MODULE = 'github.com/ipfs/kubo/cmd/ipfs'

const run = promisify(execFile)

const cached = join(import.meta.dirname, '..', '..', '.cache', `kubo-${KUBO_VERSION}`, 'ipfs')

/** The `ipfs` named by COOPT_KUBO, otherwise the one built here, otherwise one on the PATH; undefined if there is none. */
export async function findKubo(
  env: Readonly<Record<string, string | undefined>> = process.env
): Promise<string | undefined> {
  const named = env['COOPT_KUBO']
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named
    throw new Error(`COOPT_KUBO is ${named}, which cannot be executed`)
  }
  const onPath = (env['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  for (const path of [cached, ...onPath.map(folder => join(folder, 'ipfs'))]) if (await isExecutable(path)) return path
  return undefined
}

/** Build the pinned version into the cache. Rejects with Go's error output. */
export async function installKubo(): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'coopt-kubo-'))
  const go = async (...args: string[]): Promise<void> => {
    // the daemon does not need C, and this way machines without a C compiler can build it
    await run('go', args, { cwd: work, env: { ...process.env, CGO_ENABLED: '0' }, maxBuffer: 64 * 1024 * 1024 })
  }
  try {
    await go('mod', 'init', 'kubo')
    await go('get', `${MODULE}@v${KUBO_VERSION}`)
    await mkdir(join(cached, '..'), { recursive: true })
    const built = `${cached}.${process.pid}`
    await go('build', '-trimpath', '-o', built, MODULE)
    await rename(built, cached) // atomic: tests may look for it meanwhile
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return cached
}

if (import.meta.main) {
  const path = (await findKubo()) ?? (await installKubo())
  const { stdout } = await run(path, ['version', '--number'])
  if (stdout.trim() !== KUBO_VERSION) process.stderr.write(`Kubo ${stdout.trim()} is used, ${KUBO_VERSION} is pinned\n`)
  process.stdout.write(`${path}\n`)
}

// --- internal ---

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false // missing or not executable: try the next place
  }
}
