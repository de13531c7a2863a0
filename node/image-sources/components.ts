/**
 * WebDataset keeps the parts of a sample as files of one key: `0001.jpg`, `0001.seg.png`, `0001.json`. What follows the key is the
 * component (https://github.com/webdataset/webdataset). Several components may be images, and only the operator knows which are samples.
 */
import { SourceChoiceError } from './choice.ts'

/** `--component all` takes every image. */
export const ALL_COMPONENTS = 'all'

/** Pairs of components that are remembered: more than a sample has parts means that these are just names with dots. */
const MAX_PAIRS = 64

export interface Components {
  /** Is an image of this name wanted? */
  isWanted(name: string): boolean
  /** An image of this name was found. Throws `SourceChoiceError` when samples have several images and none was chosen. */
  see(name: string): void
}

/** Key and component of a path. Numbers right after the first dot belong to the key: `cat.0.jpg` is image 0 of the cats. */
export function splitName(path: string): { key: string; component: string } {
  const slash = path.lastIndexOf('/') + 1
  const [first = '', ...rest] = path.slice(slash).split('.')
  let name = first
  while (rest.length > 1 && /^\d+$/.test(rest[0] as string)) name += `.${rest.shift()}`
  return { key: path.slice(0, slash) + name, component: rest.join('.').toLowerCase() }
}

/** For the entries of one archive, in its order: the files of a key follow each other. */
export function createComponents(archive: string, wanted: string | undefined): Components {
  const chosen = wanted?.toLowerCase().replace(/^\./, '')
  const pairs = new Map<string, number>()
  let key: string | undefined
  let found: string[] = []
  return {
    isWanted: name => chosen === undefined || chosen === ALL_COMPONENTS || splitName(name).component === chosen,
    see: name => {
      if (chosen !== undefined) return
      const split = splitName(name)
      if (split.key !== key) {
        key = split.key
        found = []
      }
      for (const other of found) {
        if (other === split.component) continue
        const pair = [other, split.component].toSorted().join(' and ')
        const count = (pairs.get(pair) ?? 0) + 1
        if (pairs.size < MAX_PAIRS) pairs.set(pair, count)
        // once may be two names that happen to begin alike; twice is how the archive is made
        if (count === 2) {
          throw new SourceChoiceError(
            `${archive} has several images for each sample, ${pair}: choose one with --component ${other}, or take all as samples with --component ${ALL_COMPONENTS}`
          )
        }
      }
      if (found.length < MAX_PAIRS) found.push(split.component)
    }
  }
}
