/**
 * S_Y of a score: from the store, else from its author, else from any member. What was fetched is served from then on.
 *
 * An author who is not connected is dialed after some members were asked. They are likely to have it, and a swarm in which everybody dials every
 * author is one in which everybody is connected with everybody.
 */
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { ReferenceClient } from '../../../protocols/reference/client.ts'
import { decodeMatrix } from '../../../src/bytes.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import type { Matrix32 } from '../../../src/matrix.ts'
import { peerIdOf } from '../../../src/peer-key.ts'
import { importMatrix } from '../../../src/publish/matrix-file.ts'
import type { Score, SignedRecord } from '../../../src/publish/record.ts'
import type { Content } from '../../content/content.ts'

/** Members asked before an author is dialed: an answer that they do not have it takes one round trip each. */
const ASKED_FIRST = 3

export type FetchTargets = (score: SignedRecord<Score>, options: { signal: AbortSignal }) => Promise<Matrix32>

export interface FetchTargetsComponents {
  swarm: Swarm
  content: Pick<Content, 'holds' | 'matrix' | 'put'>
  /** Without a network only what is in the store is available */
  reference: Pick<ReferenceClient, 'fetchMatrix'> | undefined
  members(): PeerId[]
}

/**
 * The returned function throws `ContentUnavailableError`, or `InvalidContentError` where bytes that hash to the CID prove that it does not name
 * such a matrix.
 */
export function createFetchTargets({ swarm, content, reference, members }: FetchTargetsComponents): FetchTargets {
  const { shared, dimension } = swarm.manifest
  return async (score, options) => {
    const { targets, author } = score.body
    if (await content.holds(targets)) return await content.matrix(targets, shared.rows, dimension, options)
    if (reference === undefined)
      throw new ContentUnavailableError(`${targets} is not in the store, and the network is not running`)
    const from = peerIdFromString(peerIdOf(author))
    const others = members().filter(peer => !peer.equals(from))
    const first = others.length < members().length ? [] : drawn(others, ASKED_FIRST)
    const rest = others.filter(peer => !first.includes(peer))
    const bytes = await reference.fetchMatrix([...first, from, ...rest], targets, shared.rows * dimension * 4, options)
    const matrix = decodeMatrix(bytes, shared.rows, dimension)
    await importMatrix(matrix, content.put)
    return matrix
  }
}

// --- internal ---

/** Up to `count` of them, by chance. */
function drawn<T>(list: readonly T[], count: number): T[] {
  const left = [...list]
  return Array.from({ length: Math.min(count, list.length) }, () =>
    left.splice(Math.floor(Math.random() * left.length), 1)
  ).flat()
}
