/**
 * Which blocks a garbage collection must leave alone although nothing names them: those of a writing that is still open, and everything put
 * or released while the collection runs, because it may be named by what the collection has looked at already.
 *
 * Every change is synchronous: a sweep that asks about a block sees each put that has begun.
 */

import type { CID } from 'multiformats/cid'

/** Blocks that no record or manifest names yet. */
export interface Writing extends Disposable {
  /** Rejects like `DurableBlockstore.put`. */
  put(cid: CID, bytes: Uint8Array): Promise<void>
  /** What was put is named now, or of no use: a later collection decides. May be used again. */
  release(): void
}

export interface Collection extends Disposable {
  /**
   * Delete every block that is not needed, not part of an open writing, and was not put or released since the collection began. Yields
   * the size of each; with `dryRun` nothing is deleted. Rejects with an error that names the path.
   */
  sweep(needed: ReadonlySet<string>, options: { dryRun: boolean }): AsyncGenerator<number>
}

/** What one operation writes: a dataset that is being published, the files of a record that is not signed yet. */
interface Hold {
  add(name: string): void
  /** What was added is named now, or of no use. The hold can be used again. */
  release(): void
}

/** One garbage collection, from before it looks for what is needed until its sweep is over. */
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
