/**
 * Which unreferenced blocks a garbage collection must keep: those of an open `Writing`, and everything put or released while the collection runs,
 * because something that the collection has already visited may reference it by now.
 *
 * Every change is synchronous, so a sweep that asks about a block sees each put that has begun.
 */

import type { CID } from 'multiformats/cid'

/** Keeps blocks that no record or manifest references yet. */
export interface Writing extends Disposable {
  /** Rejects like `DurableBlockstore.put`. */
  put(cid: CID, bytes: Uint8Array): Promise<void>
  /** The blocks are referenced now, or not needed: a later collection decides. The writing can be used again. */
  release(): void
}

export interface Collection extends Disposable {
  /**
   * Delete every block that is not needed, not part of an open writing, and was not put or released since the collection began. Yields
   * the size of each; with `dryRun` nothing is deleted. Rejects with an error that names the path.
   */
  sweep(needed: ReadonlySet<string>, options: { dryRun: boolean }): AsyncGenerator<number>
}

/** The blocks that one operation writes, for example a dataset being published or the files of an unsigned record. */
interface Hold {
  add(name: string): void
  /** The blocks are referenced now, or not needed. The hold can be used again. */
  release(): void
}

/** One garbage collection, from before it looks for needed blocks until its sweep ends. */
interface HoldsDuringCollection {
  isHeld(name: string): boolean
  end(): void
}

export interface Holds {
  /** A block is about to be put. */
  noted(name: string): void
  hold(): Hold
  collect(): HoldsDuringCollection
}

export function createHolds(): Holds {
  const held = new Map<string, number>() // name -> open holds that have it
  const collections = new Set<Set<string>>()

  const noted = (name: string): void => {
    for (const recent of collections) recent.add(name)
  }

  return {
    noted,
    hold: () => {
      const own = new Set<string>()
      return {
        add: name => {
          if (own.has(name)) return
          own.add(name)
          held.set(name, (held.get(name) ?? 0) + 1)
        },
        release: () => {
          for (const name of own) {
            noted(name)
            const others = (held.get(name) ?? 1) - 1
            if (others === 0) held.delete(name)
            else held.set(name, others)
          }
          own.clear()
        }
      }
    },
    collect: () => {
      const recent = new Set<string>()
      collections.add(recent)
      return {
        isHeld: name => held.has(name) || recent.has(name),
        end: () => void collections.delete(recent)
      }
    }
  }
}
