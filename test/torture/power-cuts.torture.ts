import { expect, test } from 'vitest'
import { figure, sizeOf } from '../helpers/effort.ts'
import { checkDisk, emptyDisk, openPublishing, type LeftOut, type Promised } from '../helpers/publication.ts'
import { seeded } from '../helpers/seeded.ts'

/** Of each cut: which of the writes that were not synced survive, and which half. The first keeps nothing. */
const OUTCOMES = sizeOf('COOPT_CUTS', 4)
const PUBLICATIONS = 4

interface Cuts {
  calls: number
  cuts: number
}

/** Publish, cut the power after every call, look at what is left. Throws an error that names the cut for anything that must not be. */
async function cutEverywhere(outcomes: number, leftOut?: LeftOut): Promise<Cuts> {
  const found: Cuts = { calls: 0, cuts: 0 }
  for (let n = 1, isWhole = false; !isWhole; n++) {
    const disk = await emptyDisk()
    const from = disk.trace.length
    disk.fault = ({ index }) => (index === from + n ? 'power-cut' : undefined)
    let promised: Promised = { published: [], issued: [] }
    let which = 0
    try {
      const opened = await openPublishing(disk, promised, leftOut)
      promised = opened.promised
      for (; which < PUBLICATIONS; which++) await opened.publish(which)
      await opened.close()
      isWhole = true
    } catch (error) {
      expect((error as Error).message, `cut at ${n}`).toMatch(/EIO|must be stored again/)
    }
    found.calls = disk.trace.length - from
    for (let outcome = 0; outcome < outcomes; outcome++) {
      const chance = seeded(1000 * n + outcome)
      const left = disk.afterPowerCut(outcome === 0 ? () => 0 : k => chance.below(k + 1))
      await checkDisk(left, promised, which).catch((cause: unknown) => {
        const last = disk.trace.at(-1)?.operation
        throw new Error(`cut at call ${n} (${last}), outcome ${outcome}: ${String(cause)}`, { cause })
      })
      found.cuts++
    }
  }
  return found
}

test(`publishing survives a power cut after every call to the disk, with ${OUTCOMES} outcomes each`, async () => {
  const { calls, cuts } = await cutEverywhere(OUTCOMES)
  figure('calls', calls)
  figure('cuts', cuts)
  figure('lost', 0)
  expect(calls).toBeGreaterThan(100)
})

test.each<[LeftOut, RegExp]>([
  ['the barrier', /block of record \d+ is lost|NotFoundError/],
  ['the sync of the log', /record \d+ was published and is lost/],
  ['the sequence file', /number \d+ was issued twice/]
])('a participant that leaves out %s is found out', async (leftOut, complaint) => {
  await expect(cutEverywhere(4, leftOut)).rejects.toThrow(complaint)
})
