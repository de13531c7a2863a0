/** Content in memory, without a network: nothing is collected, so a writing holds nothing. */
import { MemoryBlockstore } from 'blockstore-core'
import type { Blockstore } from 'interface-blockstore'
import { createContent, type Content } from '../../node/content/content.ts'

export function memoryContent(store: Blockstore = new MemoryBlockstore()): Content {
  const put = async (...[cid, bytes]: Parameters<Content['put']>): Promise<void> => {
    await store.put(cid, bytes)
  }
  const local = Object.assign(store, {
    barrier: async () => {},
    writing: () => ({ put, release: () => {}, [Symbol.dispose]: () => {} })
  })
  return createContent({ local }, { blockTimeoutMs: 1000, attempts: 1 })
}
