import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import type { CID } from 'multiformats/cid'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { createContent, type Content } from '../../../node/content/content.ts'
import { mergeToFolder } from '../../../node/export/merge-to-folder.ts'
import { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { collectGarbage } from '../../../node/upkeep/collect-garbage.ts'
import { IMPORT } from '../../../src/distribute/unixfs-import.ts'
import { ContentUnavailableError, InvalidInputError } from '../../../src/errors.ts'
import { collect } from '../../helpers/collect.ts'
import { finishedRound, type FinishedRound } from '../../helpers/finished-round.ts'
import { makeScore, testPeer } from '../../helpers/swarm-factory.ts'

let folder: string
let store: DurableBlockstore
let content: Content
let round: FinishedRound
const signal = new AbortController().signal

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coopt-merge-'))
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }))
  store = await DurableBlockstore.open({ path: join(folder, 'blocks') })
  content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
  round = await finishedRound(content)
})

/** Blocks freed by `coopt gc` beside what runs. */
async function collected(): Promise<{ freed: number }> {
  const { swarm, state } = round.mergeable
  const { blocks } = await collectGarbage(
    {
      memberships: () => [{ swarm, state: { ...state, untilJudged: async () => {} } }],
      known: async () => [swarm.id],
      settled: async () => {},
      pins: async () => [],
      self: testPeer(0).key,
      content,
      store
    },
    { dryRun: false, signal }
  )
  return { freed: blocks }
}

/** What `ipfs add` with the pinned settings makes of a folder. */
async function added(path: string): Promise<CID | undefined> {
  const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
  const source = files.map(entry => {
    const full = join(entry.parentPath, entry.name)
    return { path: full.slice(path.length + 1), content: [] as Uint8Array[], full }
  })
  for (const file of source) file.content.push(new Uint8Array(await readFile(file.full)))
  const entries = await collect(
    importer(source, new MemoryBlockstore(), {
      cidVersion: 1,
      rawLeaves: true,
      wrapWithDirectory: true,
      chunker: fixedSize({ chunkSize: IMPORT.chunkBytes }),
      layout: balanced({ maxChildrenPerNode: 1024 })
    })
  )
  return entries.at(-1)?.cid
}

test('the folder, added with the pinned settings, has the printed CID', async () => {
  const out = join(folder, 'out')
  const { root } = await mergeToFolder(round.mergeable, out, content, signal)
  expect(`${await added(out)}`).toBe(`${root}`)
})

test('a view that changes while it is written changes neither the CID nor the folder', async () => {
  const before = (await round.merge()).root
  const out = join(folder, 'out')
  let later: CID | undefined
  const changing: Content = {
    ...content,
    // a further score and a garbage collection come when the directory is made and nothing is written
    fetch: async (cid, bytes, options) => {
      if (later === undefined) {
        const { targets, uniformValue } = round.scores[1]!.body
        round.set.insert(await makeScore(round.swarm, testPeer('late'), 0, { targets, uniformValue }))
        later = (await round.merge()).root
        const { freed } = await collected()
        expect(freed, 'blocks that only another directory needs').toBe(0)
      }
      await content.fetch(cid, bytes, options)
    }
  }
  const { root } = await mergeToFolder(round.mergeable, out, changing, signal)
  expect(`${root}`).toBe(`${before}`)
  expect(`${later}`).not.toBe(`${before}`)
  expect(`${await added(out)}`).toBe(`${before}`)
  expect((await collected()).freed, 'the earlier directory goes when it is written').toBeGreaterThan(0)
})

test('only a new or an empty folder is taken', async () => {
  const out = join(folder, 'out')
  await mkdir(out)
  await writeFile(join(out, 'mine'), 'mine')
  await expect(mergeToFolder(round.mergeable, out, content, signal)).rejects.toBeInstanceOf(InvalidInputError)
  expect(await readdir(out)).toEqual(['mine'])
  await rm(join(out, 'mine'))
  const { root } = await mergeToFolder(round.mergeable, out, content, signal)
  expect(`${await added(out)}`).toBe(`${root}`)
  await expect(mergeToFolder(round.mergeable, out, content, signal)).rejects.toBeInstanceOf(InvalidInputError)
  await expect(
    mergeToFolder(round.mergeable, join(out, 'README.md'), content, signal),
    'a file is not a folder'
  ).rejects.toBeInstanceOf(InvalidInputError)
})

test('a shard that nobody has leaves nothing behind', async () => {
  const [alignment] = round.alignments
  await store.delete(alignment!.body.shard)
  content.distrust()
  const out = join(folder, 'out')
  await expect(mergeToFolder(round.mergeable, out, content, signal)).rejects.toBeInstanceOf(ContentUnavailableError)
  await expect(readdir(out)).rejects.toMatchObject({ code: 'ENOENT' })
})
