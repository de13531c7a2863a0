/**
 * S_Y of a score: from the store, else from its author, else from any member. What was fetched is served from then on.
 *
 * A new matrix spreads like gossip: its author's neighbours fetch it from there, and theirs from them. Only when some members were asked in vain
 * for a few seconds is an author dialed to whom this node is not connected: where everybody dials every author, everybody is connected
 * with everybody, and finding an address takes longer than the spreading.
 */
import { setTimeout as pause } from 'node:timers/promises'
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

/** Members asked in one attempt: an answer that they do not have it takes one round trip each. */
const ASKED_AT_ONCE = 4
/** Before further attempts: after the first some tenth of a large swarm has it, after the second most, after the third nearly all. */
const PAUSES_MS = [500, 1000, 2000]

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
    const fetch = async (peers: PeerId[]): Promise<Uint8Array<ArrayBuffer>> =>
      await reference.fetchMatrix(peers, targets, shared.rows * dimension * 4, options)
    const others = (): PeerId[] => members().filter(peer => !peer.equals(from))
    const isNear = (): boolean => members().length > others().length
    const fetchByAny = async (): Promise<Uint8Array<ArrayBuffer>> => {
      for (const ms of PAUSES_MS) {
        if (isNear() || others().length === 0) break
        try {
          return await fetch(drawn(others(), ASKED_AT_ONCE))
        } catch (error) {
          if (!(error instanceof ContentUnavailableError)) throw error
        }
        await pause(ms, undefined, options)
      }
      return await fetch([from, ...others()])
    }
    const bytes = await fetchByAny()
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
