import { expect, test } from 'vitest'
import { onlyOne, ownInvite } from '../../../node/swarms/own-invite.ts'
import { decodeInvite } from '../../../src/distribute/invite.ts'
import { testSwarm } from '../../helpers/signed-swarm.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'

const swarm = await testSwarm()
const peer = testPeer(0).id
const at = (address: string, who = 0): string => `${address}/p2p/${testPeer(who).id}`
const verified = (address: string): { address: string; verified: boolean } => ({ address, verified: true })
const none = { configured: [], members: [], own: [], peer }

test('public addresses come first and loopback not at all, and what nobody has tried yet is marked', () => {
  const own = [verified(at('/ip4/127.0.0.1/tcp/20001')), verified(at('/ip4/192.168.1.2/tcp/20001'))]
  const tried = { address: at('/ip4/5.9.0.1/tcp/20001'), verified: false }
  const { addresses, invite } = ownInvite(swarm, { ...none, own: [...own, tried] })
  expect(addresses).toEqual([tried, own[1]])
  expect(decodeInvite(invite).addresses).toEqual(addresses.map(({ address }) => address))
})

test('a node with nothing but loopback is still found on its own machine', () => {
  const own = [verified(at('/ip4/127.0.0.1/tcp/20001'))]
  expect(ownInvite(swarm, { ...none, own }).addresses).toEqual(own)
})

test('without a network the configured port on the addresses of this machine stands in', () => {
  const { addresses } = ownInvite(swarm, { ...none, configured: ['/ip4/10.1.2.3/tcp/20001', '/ip4/0.0.0.0/tcp/0'] })
  expect(addresses).toEqual([verified(at('/ip4/10.1.2.3/tcp/20001'))])
})

test('carries other members, each before a second address of any, as far as a QR code goes', () => {
  const own = [verified(at('/ip4/5.9.0.1/tcp/20001'))]
  const members = Array.from({ length: 30 }, (_, i) => [
    at(`/ip4/192.168.0.${i + 1}/tcp/4001`, i + 1),
    at(`/ip4/5.9.1.${i + 1}/tcp/4001`, i + 1)
  ]).flat()
  const { invite, addresses } = ownInvite(swarm, { ...none, own, members })
  expect(invite.length).toBeLessThanOrEqual(1270)
  expect(addresses.length).toBeGreaterThanOrEqual(6)
  const who = addresses.map(({ address }) => address.split('/p2p/')[1])
  expect(new Set(who).size).toBe(who.length)
  expect(addresses[1]).toEqual(verified(at('/ip4/5.9.1.1/tcp/4001', 1)))
})

test('text that is no address is left out', () => {
  expect(
    ownInvite(swarm, { ...none, members: ['junk', '/ip4/1.2.3.4/tcp/1', at('/ip4/5.9.0.1/tcp/1')] }).addresses
  ).toEqual([])
})

test('a home in several swarms is asked which', async () => {
  const other = await testSwarm({ name: 'other' })
  expect(() => onlyOne([])).toThrow(/in no swarm/)
  expect(onlyOne([{ swarm }]).swarm).toBe(swarm)
  expect(() => onlyOne([{ swarm }, { swarm: other }])).toThrow(/2 swarms, name one: .* \(other\)/)
})
