import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { findManifest, type FindManifestNetwork } from '../../../node/swarms/find-manifest.ts'
import { createSync } from '../../../protocols/sync/sync.ts'
import type { Invite } from '../../../src/distribute/invite.ts'
import type { Swarm } from '../../../src/distribute/manifest.ts'
import { testSwarm, verify } from '../../helpers/signed-swarm.ts'
import { memoryContent } from '../../helpers/memory-content.ts'
import { testIntake } from '../../helpers/test-intake.ts'
import { testNode, type TestNode } from '../../helpers/test-network.ts'

const never = new AbortController().signal
const NOBODY = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

let swarm: Swarm
let invite: Invite
let content: Content
beforeAll(async () => {
  swarm = await testSwarm()
})
beforeEach(() => {
  invite = { swarm: swarm.id, addresses: [] }
  content = memoryContent()
})

/** A node that answers the sync protocol as a member of these swarms. */
async function nodeIn(...swarms: Swarm[]): Promise<TestNode & { wire: FindManifestNetwork; addresses: string[] }> {
  const node = await testNode()
  const sync = createSync({
    libp2p: node.libp2p,
    verify,
    member: id => {
      const found = swarms.find(one => one.id.equals(id))
      if (found === undefined) return undefined
      const holds = async (cids: unknown[]): Promise<boolean[]> => cids.map(() => false)
      return { swarm: found, ...testIntake(found), onMember: () => {}, holds }
    }
  })
  await sync.start()
  const addresses = node.libp2p.getMultiaddrs().map(String)
  return { ...node, wire: { network: node, sync }, addresses }
}

test('a manifest in the store needs no network', async () => {
  await content.put(swarm.id, swarm.bytes)
  const found = await findManifest({ content }, invite, [], never)
  expect(found.id.toString()).toBe(swarm.id.toString())
})

test('without a network and without the manifest the user is told what to do', async () => {
  const finding = findManifest({ content }, invite, [], never)
  await expect(finding).rejects.toMatchObject({
    name: 'InvalidInputError',
    message: expect.stringMatching(/is not in this home: join it first, or start the daemon/) as string
  })
})

test('comes from a peer of the invite, past one that is gone and one of another swarm, and is kept', async () => {
  const member = await nodeIn(swarm)
  const stranger = await nodeIn(await testSwarm({ name: 'other' }))
  const { wire } = await nodeIn()
  const addresses = [NOBODY, ...stranger.addresses, ...member.addresses]
  const told: string[] = []
  const tell = (message: string): void => void told.push(message)
  const found = await findManifest({ content, network: wire, tell }, { ...invite, addresses }, [], never)
  expect(told).toContain(`asking for the swarm at ${NOBODY}`)
  expect(found.bytes).toEqual(swarm.bytes)
  expect(await content.block(swarm.id, { signal: never })).toEqual(swarm.bytes)
})

test('comes from a member met before when the peers of the invite are gone, or from a peer that is connected', async () => {
  const member = await nodeIn(swarm)
  const joining = await nodeIn()
  const components = { content, network: joining.wire }
  const found = await findManifest(components, { ...invite, addresses: [NOBODY] }, member.addresses, never)
  expect(found.id.toString()).toBe(swarm.id.toString())

  const other = memoryContent()
  const again = await findManifest({ content: other, network: joining.wire }, invite, [], never)
  expect(again.id.toString()).toBe(swarm.id.toString())
})

test('an invite whose addresses cannot be reached names them', async () => {
  const { wire } = await nodeIn()
  const finding = findManifest({ content, network: wire }, { ...invite, addresses: [NOBODY] }, [], never)
  await expect(finding).rejects.toMatchObject({
    name: 'ContentUnavailableError',
    message: expect.stringContaining(`no address of the invite can be reached (${NOBODY})`) as string
  })
})

test('a peer that does not have it is named as the reason', async () => {
  const stranger = await nodeIn()
  const { wire } = await nodeIn()
  const finding = findManifest({ content, network: wire }, { ...invite, addresses: stranger.addresses }, [], never)
  await expect(finding).rejects.toThrow(/refused: unknown-swarm/)
  expect(await content.has(swarm.id)).toBe(false)
})

test('ends with the reason of its signal', async () => {
  const { wire } = await nodeIn()
  const signal = AbortSignal.abort(new Error('not wanted any more'))
  const finding = findManifest({ content, network: wire }, { ...invite, addresses: [NOBODY] }, [], signal)
  await expect(finding).rejects.toThrow('not wanted any more')
})
