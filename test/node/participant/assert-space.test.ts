import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { DEFAULT_CONFIG } from '../../../node/home/config.ts'
import { assertSpace } from '../../../node/participant/assert-space.ts'
import { diskNeed } from '../../../node/participant/disk-need.ts'
import { makeSwarm } from '../../helpers/swarm-factory.ts'

const nothing = { holdsEach: async (cids: readonly unknown[]) => cids.map(() => false) }
const everything = { holdsEach: async (cids: readonly unknown[]) => cids.map(() => true) }
const { manifest } = await makeSwarm()
const need = await diskNeed(manifest, nothing.holdsEach)
const space = (maxBytes: number, used = 0) => ({
  limits: { ...DEFAULT_CONFIG.store, maxBytes, minFreeBytes: 0 },
  path: tmpdir(),
  used
})

describe('the space that work needs', () => {
  it('is less where files are here already, and where fewer partitions are taken', async () => {
    const here = await diskNeed(manifest, everything.holdsEach)
    expect(here.everything).toBeLessThan(need.everything)
    const one = await diskNeed(manifest, nothing.holdsEach, { partitions: 1 })
    expect(one).toEqual({ onePartition: need.onePartition, everything: need.onePartition })
    expect(need.onePartition).toBeLessThan(need.everything)
  })

  it('is compared with the limit before work starts: all fits, some fits, nothing fits', async () => {
    expect(await assertSpace(manifest, nothing, space(need.everything))).toBeUndefined()
    expect(await assertSpace(manifest, nothing, space(need.everything + 5, 6))).toMatch(
      /needs up to .* here, and store\.maxBytes leaves/
    )
    expect(await assertSpace(manifest, nothing, space(need.onePartition), 1)).toBeUndefined()
    await expect(assertSpace(manifest, nothing, space(need.onePartition - 1))).rejects.toMatchObject({
      name: 'StoreFullError',
      message: expect.stringMatching(
        /one partition of .* needs .*, and store\.maxBytes leaves .*: free space/
      ) as string
    })
  })

  it('is compared with the free space of the disk', async () => {
    const limits = { ...DEFAULT_CONFIG.store, minFreeBytes: Number.MAX_SAFE_INTEGER }
    await expect(assertSpace(manifest, nothing, { limits, path: tmpdir(), used: 0 })).rejects.toThrow(
      /are free, of which/
    )
  })
})
