/** A participant that is killed with -9 again and again, at every point that has a name, and goes on from where it was. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createVictim, untoldAt, type Crash, type Scene } from '../../helpers/crash-victim.ts'
import { createProcessNodes } from '../../helpers/process-node.ts'
import { makeImages } from '../../helpers/sample-swarm.ts'

const nodes = await createProcessNodes()
const scene: Scene = {
  nodes,
  images: await makeImages(`${nodes.root}/images`),
  publisher: (await nodes.home('publisher')).path
}

beforeAll(async () => void (await nodes.up(scene.publisher)))
afterAll(async () => await nodes[Symbol.asyncDispose]())

describe('a participant killed before its records are told', () => {
  const victim = createVictim(scene, 'untold', 3)
  beforeAll(async () => await victim.prepare())

  it.each<Crash>([
    { at: 'optimize:batch#2', during: 'score' },
    { at: 'publish:blocks#1', during: 'score' },
    { at: 'publish:log#1', during: 'score' },
    { at: 'optimize:batch#2', during: 'result' },
    { at: 'publish:blocks#1', during: 'result' },
    { at: 'publish:log#1', during: 'result' },
    { at: 'publish:blocks#2', during: 'alignment' },
    { at: 'publish:log#2', during: 'alignment' },
    { at: 'merge#2', during: 'merge' }
  ])('loses nothing at $at, $during', async crash => {
    expect(await victim.dieAt(crash)).toEqual(untoldAt(crash))
  })

  it('finishes after nine deaths with no batch computed twice, and the publisher has every record', async () => {
    // 300 shared rows in batches of 40, three partitions of 106 or 107
    expect(await victim.finish()).toEqual({ batches: 8 + 3 * 3, redone: 0 })
  })

  it('merges to the same CID after it was killed while merging', async () => {
    const { mine, theirs } = await victim.dieMerging()
    expect(mine).toBe(theirs)
  })
})

describe('a participant killed when its records have been told', () => {
  const victim = createVictim(scene, 'told', 3)
  beforeAll(async () => await victim.prepare())

  it.each<Crash>([
    { at: 'publish:announce#1', during: 'score' },
    { at: 'publish:announce#1', during: 'result' },
    { at: 'publish:announce#2', during: 'alignment' }
  ])('loses nothing at $at, $during', async crash => {
    expect(await victim.dieAt(crash)).toEqual(untoldAt(crash))
  })

  it('loses nothing in the middle of a batch', async () => {
    expect(await victim.dieAmidBatches(), 'new records').toEqual([])
  })

  it('finishes after four deaths with no finished batch computed twice', async () => {
    expect(await victim.finish()).toMatchObject({ redone: 0 })
  })
})
