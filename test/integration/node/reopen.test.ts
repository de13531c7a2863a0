import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { homeAt } from '../../../node/home/home.ts'
import { parseCid } from '../../../src/codec.ts'
import { blockPath } from '../../helpers/node-conditions.ts'
import { bundledPrior, openNode, pictures, startNode } from '../../helpers/test-node.ts'

const SMALL = { partitions: 2, shared: 16, dimension: 16 }

test('a home without the reference features starts at once, and opens the swarm when a member is found, the publisher being gone', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(32), SMALL)
  const member = await startNode()
  await member.node.status(invite)
  const late = await startNode()
  await late.node.status(invite)
  const features = late.membership(manifest).swarm.manifest.referenceFeatures.cid
  await late.node.close()
  await publisher.node.close()

  // what a process leaves that was killed right after it had the manifest, having met nobody else
  await rm(blockPath(late.home, features))
  await rm(join(homeAt(late.home).swarm(parseCid(manifest)).directory, 'addresses.json'))
  const back = await openNode(late.home)
  const waiting = await back.node.status()
  expect(waiting).toMatchObject({ swarms: [], opening: [manifest] })

  // its members can be named while it waits
  const [known] = (await member.node.status()).swarms
  const found = await back.node.status(known?.invite)
  expect(found.swarms).toMatchObject([{ manifest }])
  expect(back.runtime.swarms.get(manifest)).toBeDefined()
})

test('a home closes at once while a swarm waits to be opened', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(32), SMALL)
  const late = await startNode()
  await late.node.status(invite)
  const features = late.membership(manifest).swarm.manifest.referenceFeatures.cid
  await late.node.close()
  await publisher.node.close()
  await rm(blockPath(late.home, features))
  const back = await openNode(late.home)
  expect(back.runtime.swarms.waiting()).toEqual([manifest])
  const [waiting] = await Promise.allSettled([back.node.status(invite), back.node.close()])
  expect(waiting).toMatchObject({ status: 'rejected', reason: { name: 'ContentUnavailableError' } })
})

test('addresses of a new invite for a known swarm are tried', async () => {
  const publisher = await startNode()
  const { invite, manifest } = await publisher.publish(await pictures(32), SMALL)
  const before = await startNode()
  await before.node.status(invite)
  await before.node.close()
  const b = await startNode()
  await b.node.status(invite)
  const { libp2p } = b.network
  const alone = new Promise<void>(resolve => {
    libp2p.addEventListener('peer:disconnect', () => resolve(), { once: true })
  })
  await publisher.node.close()
  await alone
  expect(libp2p.getPeers()).toEqual([])
  // at another port than any that b may have heard of
  const a = await openNode(before.home)
  const connected = new Promise<void>(resolve => {
    libp2p.addEventListener('peer:connect', ({ detail }) => {
      if (detail.toString() === a.peer) resolve()
    })
  })
  const [known] = (await a.node.status()).swarms
  await b.node.status(known?.invite)
  await connected
  expect(b.runtime.swarms.waiting()).toEqual([])
  expect(b.membership(manifest)).toBeDefined()
})

test('a second prior for the same swarm in one daemon is refused, and names the first', async () => {
  const publisher = await startNode()
  const { invite } = await publisher.publish(await pictures(32), SMALL)
  const first = publisher.join(invite, bundledPrior('resnet20'), { once: false })
  await publisher.until(event => event.type === 'score')
  await expect(publisher.join(invite, bundledPrior('vgg_small'))).rejects.toMatchObject({
    name: 'InvalidInputError',
    message: expect.stringMatching(/resnet20.*stop that first/) as string
  })
  publisher.stop()
  await first
  // the first one left: the next is let in, and ends by the same signal
  await expect(publisher.join(invite, bundledPrior('vgg_small'))).rejects.toMatchObject({ name: 'AbortError' })
})
