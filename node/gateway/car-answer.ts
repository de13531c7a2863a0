/**
 * The blocks of a CAR response (trustless gateway): those that prove the path, then the entity at its end as far as `dag-scope` and
 * `entity-bytes` say, in depth-first order.
 */
import { type GetBlock, isInline } from '../content/dag/blocks.ts'
import { carHeader, carSection } from '../content/dag/car.ts'
import { directoryNodes } from '../content/dag/directory.ts'
import { entityOrNothing } from '../content/dag/entity.ts'
import { fileParts } from '../content/dag/file-range.ts'
import type { ResolvedPath } from '../content/dag/path.ts'
import { keyOf, type Visited, walkDag } from '../content/dag/walk.ts'
import { entityRange } from './byte-ranges.ts'
import type { GatewayRequest } from './gateway-request.ts'

/**
 * A function that streams the CAR: whatever can be wrong with the request is thrown here, before a header is sent. Throws
 * `HttpProblem` 400 for bytes outside of the entity.
 */
export function carBody(
  { scope, bytes, car }: Pick<GatewayRequest, 'scope' | 'bytes' | 'car'>,
  resolved: ResolvedPath,
  get: GetBlock
): () => AsyncGenerator<Uint8Array> {
  const { cid, block, way } = resolved
  const entity = scope === 'all' || scope === 'block' ? undefined : entityOrNothing(cid, block)
  const range = entity?.kind === 'file' && bytes !== undefined ? entityRange(bytes, entity.bytes) : undefined
  const terminal = async function* (seen: Set<string> | undefined): AsyncGenerator<Visited> {
    if (scope === 'all') yield* walkDag(cid, get, seen)
    else if (entity?.kind === 'directory' || entity?.kind === 'sharded') yield* directoryNodes(cid, get)
    else if (entity?.kind === 'file') {
      const { start, end } = range ?? { start: 0, end: bytes === undefined ? entity.bytes : 0 }
      yield* fileParts(cid, get, start, end)
    } else yield { cid, block }
  }
  return async function* () {
    yield carHeader([cid])
    const sent = new Set<string>()
    for (const visited of way) {
      if (isInline(visited.cid) || (!car.dups && sent.has(keyOf(visited.cid)))) continue
      sent.add(keyOf(visited.cid))
      yield* carSection(visited.cid, visited.block)
    }
    // a walk of everything notes what it has seen by itself, and then does not even look below it again
    const walked = scope === 'all' && !car.dups ? sent : undefined
    for await (const visited of terminal(walked)) {
      if (isInline(visited.cid)) continue
      if (!car.dups && walked === undefined) {
        if (sent.has(keyOf(visited.cid))) continue
        sent.add(keyOf(visited.cid))
      }
      yield* carSection(visited.cid, visited.block)
    }
  }
}
