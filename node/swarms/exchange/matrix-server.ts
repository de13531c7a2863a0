/**
 * Which files are served over `/coopt/reference/1.0.0`: target matrices of the swarms of this home, read leaf by leaf.
 *
 * Guarantees: a file is served only if a score of one of our swarms names it, or it is the present reference (which may be computed, and is in
 * no score then), and it is exactly as long as a matrix of that swarm. A score may cite any CID: without the length, whole partitions could be
 * fetched by citing them.
 */
import type { AbortOptions } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { ServedContent as Served } from '../../../protocols/reference/server.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { InvalidContentError } from '../../../src/errors.ts'
import { greatest } from '../../../src/extremes.ts'
import type { RecordSet } from '../../../src/merge/record-set.ts'
import type { SwarmView } from '../../../src/merge/views.ts'
import type { Content } from '../../content/content.ts'
import { fileRanges } from '../../content/file-ranges.ts'

interface ServedState {
  set: Pick<RecordSet, 'byType'>
  view(): Pick<SwarmView, 'election'>
}

export interface MatrixServerComponents {
  content: Pick<Content, 'holds' | 'tree' | 'block'>
  /** The swarms of this home */
  swarms(): Iterable<{ swarm: Pick<Swarm, 'manifest'>; state: ServedState }>
}

/** What this node serves under a CID: undefined for what is not a matrix of its swarms or not here completely. */
export type ReadMatrix = (cid: CID, options: Required<AbortOptions>) => Promise<Served | undefined>

export function createMatrixServer({ content, swarms }: MatrixServerComponents): ReadMatrix {
  /** The lengths that a matrix with this CID may have: one for each swarm with a score that names it, or whose reference it is. */
  const lengthsOf = (cid: CID): Set<number> => {
    const lengths = new Set<number>()
    for (const { swarm, state } of swarms()) {
      const { shared, dimension } = swarm.manifest
      const isReference = state.view().election.reference?.cid?.equals(cid) === true
      if (isReference || state.set.byType('score').some(({ body }) => body.targets.equals(cid)))
        lengths.add(shared.rows * dimension * 4)
    }
    return lengths
  }

  return async (cid, { signal }) => {
    const lengths = lengthsOf(cid)
    if (lengths.size === 0) return undefined
    let file
    try {
      file = await content.tree(cid, greatest(lengths))
    } catch (error) {
      if (error instanceof InvalidContentError) return undefined // cited as a matrix, but not one
      throw error
    }
    if (file === undefined || !lengths.has(file.bytes) || !(await content.holds(cid))) return undefined
    const ranges = fileRanges(file, async leaf => await content.block(leaf, { signal }))
    return { bytes: file.bytes, slice: async (start, end) => await ranges.slice(start, end) }
  }
}
