/** `pins.json` of a home: CIDs whose content `coopt gc` leaves alone, whatever happens to the swarms they came from. */
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { parseCid } from '../../src/codec.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { readJson, writeJsonAtomic } from '../store/atomic-file.ts'

/** Some per dataset that somebody keeps; a list that grows beyond this is a loop. */
const MAX_PINS = 4096

const pinsSchema = z.array(z.string().max(128)).max(MAX_PINS)

export interface Pins {
  all(): Promise<CID[]>
  /** Durable when it resolves. */
  add(cid: CID): Promise<void>
  /** Returns whether it was pinned. */
  remove(cid: CID): Promise<boolean>
}

/** Changes of one process follow each other; the home's lock keeps out other processes. */
export function createPins(home: string): Pins {
  const path = join(home, 'pins.json')
  let last: Promise<unknown> = Promise.resolve()
  const read = async (): Promise<string[]> => (await readJson(path, pinsSchema)) ?? []
  const inTurn = async <T>(change: () => Promise<T>): Promise<T> => {
    const mine = last.then(change, change)
    last = mine.then(
      () => undefined,
      () => undefined
    )
    return await mine
  }
  return {
    all: async () => (await read()).map(parseCid),
    add: async cid =>
      await inTurn(async () => {
        const pins = new Set(await read()).add(cid.toString())
        if (pins.size > MAX_PINS)
          throw new InvalidInputError(`more than ${MAX_PINS} pins: remove some with coopt unpin`)
        await writeJsonAtomic(path, [...pins])
      }),
    remove: async cid =>
      await inTurn(async () => {
        const pins = new Set(await read())
        if (!pins.delete(cid.toString())) return false
        await writeJsonAtomic(path, [...pins])
        return true
      })
  }
}
