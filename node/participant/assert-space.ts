/** Before work starts: does what it may need fit on the disk? */
import { statfs } from 'node:fs/promises'
import { StoreFullError } from '../../src/errors.ts'
import type { Manifest } from '../../src/distribute/manifest.ts'
import type { Content } from '../content/content.ts'
import type { ApiEvent } from '../api/events.ts'
import type { Config } from '../home/config.ts'
import type { Membership } from '../swarms/membership.ts'
import { byteText } from '../process/quantities.ts'
import { diskNeed } from './disk-need.ts'

export interface Space {
  readonly limits: Config['store']
  /** Where the blocks are */
  readonly path: string
  /** Bytes of blocks held */
  readonly used: number
}

/**
 * Throws `StoreFullError` when not even one partition fits. Resolves to a sentence for the operator when not everything would: the node then works
 * until the disk is low. `most`: partitions it will take at most.
 */
export async function assertSpace(
  manifest: Manifest,
  content: Pick<Content, 'holdsEach'>,
  { limits, path, used }: Space,
  most = Number.POSITIVE_INFINITY
): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(path)
  const free = bavail * bsize
  const allowed = (limits.maxBytes ?? Number.POSITIVE_INFINITY) - used
  const room = Math.max(0, Math.min(free - limits.minFreeBytes, allowed))
  const { onePartition, everything } = await diskNeed(manifest, async cids => await content.holdsEach(cids), {
    partitions: most
  })
  const have =
    allowed < free - limits.minFreeBytes
      ? `store.maxBytes leaves ${byteText(room)}`
      : `${byteText(free)} are free, of which store.minFreeBytes keeps ${byteText(limits.minFreeBytes)}`
  if (onePartition > room)
    throw new StoreFullError(
      `one partition of "${manifest.name}" needs ${byteText(onePartition)}, and ${have}: free space, run "coopt gc", or change the limit`
    )
  if (everything <= room) return undefined
  return `all of "${manifest.name}" needs up to ${byteText(everything)} here, and ${have}: this node works until that is used`
}

export interface SpaceOwner {
  readonly config: Pick<Config, 'store'>
  readonly content: Pick<Content, 'holdsEach'>
  readonly home: { readonly root: string }
  readonly store: { readonly bytes: number }
}

/** The same for a swarm of a node, told as an event; nothing for a swarm in which there is nothing left to do. */
export async function checkSpace(
  { swarm, state }: Pick<Membership, 'swarm' | 'state'>,
  { config, content, home, store }: SpaceOwner,
  most: number | undefined,
  tell: (event: ApiEvent) => void
): Promise<void> {
  if (state.view().complete) return
  const space = { limits: config.store, path: home.root, used: store.bytes }
  const message = await assertSpace(swarm.manifest, content, space, most)
  if (message !== undefined) tell({ type: 'log', level: 'warn', message })
}
