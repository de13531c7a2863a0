/**
 * `pins.json` of a home: CIDs whose content `coopt gc` keeps, whatever happens to the swarms they came from. A change is on the disk when
 * its promise resolves, and concurrent changes lose nothing.
 */
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { parseCid } from '../../src/codec.ts'
import { InvalidInputError } from '../../src/errors.ts'
import { createTurns } from '../process/turns.ts'
import { readJson, writeJsonAtomic } from '../store/atomic-file.ts'

/** A few per dataset; a longer list comes from a program that pins in a loop. */
const MAX_PINS = 4096

const pinsSchema = z.array(z.string().max(128)).max(MAX_PINS)

export interface Pins {
  all(): Promise<CID[]>
  /** Durable when it resolves. */
  add(cid: CID): Promise<void>
  /** Returns whether it was pinned. */
  remove(cid: CID): Promise<boolean>
}

/** The home's lock excludes other processes. */
export function createPins(home: string): Pins {
  const path = join(home, 'pins.json')
  const inTurn = createTurns()
  const read = async (): Promise<string[]> => (await readJson(path, pinsSchema)) ?? []
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
