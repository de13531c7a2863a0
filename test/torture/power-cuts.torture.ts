import { expect, test } from 'vitest'
import { figure, sizeOf } from '../helpers/effort.ts'
import { checkDisk, emptyDisk, openPublishing, type Promised } from '../helpers/publication.ts'
import { seeded } from '../helpers/seeded.ts'

/** Of each cut: which of the writes that were not synced survive, and which half. The first keeps nothing. */
const OUTCOMES = sizeOf('COOPT_CUTS', 4)
const PUBLICATIONS = 4

test(`publishing survives a power cut after every call to the disk, with ${OUTCOMES} outcomes each`, async () => {
  let calls = 0
  let cuts = 0
  for (let n = 1, isWhole = false; !isWhole; n++) {
    const disk = await emptyDisk()
    const from = disk.trace.length
    disk.fault = ({ index }) => (index === from + n ? 'power-cut' : undefined)
    let promised: Promised = { published: [], issued: [] }
    let which = 0
    try {
      const opened = await openPublishing(disk)
      promised = opened.promised
      for (; which < PUBLICATIONS; which++) await opened.publish(which)
      await opened.close()
      isWhole = true
    } catch (error) {
      expect((error as Error).message, `cut at ${n}`).toMatch(/EIO|must be stored again/)
    }
    calls = disk.trace.length - from
    for (let outcome = 0; outcome < OUTCOMES; outcome++) {
      const chance = seeded(1000 * n + outcome)
      const left = disk.afterPowerCut(outcome === 0 ? () => 0 : k => chance.below(k + 1))
      await checkDisk(left, promised, which).catch((cause: unknown) => {
        throw new Error(`cut at call ${n} (${disk.trace.at(-1)?.operation}), outcome ${outcome}: ${String(cause)}`, {
          cause
        })
      })
      cuts++
    }
  }
  figure('calls', calls)
  figure('cuts', cuts)
  figure('lost', 0)
  expect(calls).toBeGreaterThan(100)
})
