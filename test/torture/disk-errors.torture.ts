import { expect, test } from 'vitest'
import { figure, sizeOf } from '../helpers/effort.ts'
import { checkDisk, emptyDisk, openPublishing, type PublishingDisk } from '../helpers/publication.ts'
import type { Fault, SimulatedDisk } from '../helpers/simulated-disk.ts'

const PUBLICATIONS = sizeOf('COOPT_PUBLICATIONS', 3)
/** Every step may be tried again: by the next call of the node, or after a restart. */
const ATTEMPTS = 4

interface Outcome {
  readonly hit: boolean
  readonly errors: readonly Error[]
}

/** Publish on a disk that fails as `fault` says, trying again, and with a new process when opening fails. */
async function publishAll(disk: SimulatedDisk): Promise<{ opened: PublishingDisk; errors: Error[] }> {
  const errors: Error[] = []
  const persist = async <T>(action: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action()
      } catch (error) {
        if (!(error instanceof Error) || attempt === ATTEMPTS) throw error
        errors.push(error)
      }
    }
  }
  const opened = await persist(async () => await openPublishing(disk))
  for (let which = 0; which < PUBLICATIONS; which++) await persist(async () => await opened.publish(which))
  return { opened, errors }
}

async function withFault(n: number, code: Exclude<Fault, undefined>): Promise<Outcome> {
  const disk = await emptyDisk()
  const from = disk.trace.length
  let hit = false
  disk.fault = ({ index }) => {
    if (index !== from + n) return undefined
    hit = true
    return code
  }
  const { opened, errors } = await publishAll(disk)
  expect(opened.promised.published).toHaveLength(PUBLICATIONS)
  // all of it was promised: the worst cut may come now
  await checkDisk(
    disk.afterPowerCut(() => 0),
    opened.promised,
    PUBLICATIONS
  )
  await opened.close().catch((error: unknown) => {
    if (!(error instanceof Error)) throw error
    errors.push(error)
  })
  return { hit, errors }
}

test.each(['EIO', 'ENOSPC', 'EMFILE', 'short'] as const)(
  `publishing survives %s at the n-th call to the disk, n = 1, 2, 3, … (${PUBLICATIONS} publications)`,
  async code => {
    let told = 0
    let n = 1
    for (let hit = true; hit; n++) {
      const outcome = await withFault(n, code).catch((cause: unknown) => {
        throw new Error(`${code} at call ${n}: ${String(cause)}`, { cause })
      })
      hit = outcome.hit
      told += outcome.errors.length
      for (const { message } of outcome.errors) expect(message, `call ${n}`).toMatch(/\/home|must be stored again/)
    }
    figure(`calls that failed with ${code}`, n - 2)
    figure(`errors told for ${code}`, told)
    expect(n).toBeGreaterThan(100)
  }
)
