import { peerIdFromString } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { createContacts } from '../../../../node/swarms/exchange/contacts.ts'
import { testPeer } from '../../../helpers/swarm-factory.ts'

const alice = peerIdFromString(testPeer('alice').id)
const bob = peerIdFromString(testPeer('bob').id)
const MINUTE = 60_000

test('a connected peer is no member before a session, a subscription or a signed record shows it', () => {
  const contacts = createContacts()
  for (const show of [contacts.showedItself, contacts.synced, () => contacts.signed(alice.toString())]) {
    expect(contacts.add(alice)).toBe(true)
    expect(contacts.members()).toEqual([])
    expect(contacts.worthAsking().map(({ peer }) => peer)).toEqual([alice])
    show(alice)
    expect(contacts.members()).toEqual([alice])
    contacts.remove(alice)
    expect(contacts.members()).toEqual([])
  }
})

test('a peer that does not know the swarm is asked again after longer and longer pauses', () => {
  let time = 0
  const contacts = createContacts(() => time)
  contacts.add(alice)
  const asked: number[] = []
  for (; time < 600 * MINUTE; time += MINUTE / 2) {
    if (contacts.worthAsking().length === 0) continue
    asked.push(time / MINUTE)
    contacts.deniedMembership(alice)
  }
  expect(asked).toEqual([
    0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 123.5, 183.5, 243.5, 303.5, 363.5, 423.5, 483.5, 543.5
  ])
  // a new connection is a new beginning
  contacts.remove(alice)
  contacts.add(alice)
  expect(contacts.worthAsking()).toHaveLength(1)
})

test('a stranger that joins is a member at once, and what it signed before it denied is no reason to believe it is one', () => {
  const contacts = createContacts(() => 0)
  contacts.add(alice)
  contacts.deniedMembership(alice)
  contacts.signed(alice.toString())
  expect(contacts.members()).toEqual([])
  contacts.showedItself(alice)
  expect(contacts.members()).toEqual([alice])
  expect(contacts.worthAsking()).toHaveLength(1)
  contacts.unsubscribed(alice)
  expect(contacts.members()).toEqual([])
  expect(contacts.worthAsking(), 'to find out').toHaveLength(1)
})

test('nothing is remembered of peers that are not connected', () => {
  const contacts = createContacts()
  contacts.showedItself(bob)
  contacts.synced(bob)
  contacts.deniedMembership(bob)
  expect([contacts.members(), contacts.worthAsking()]).toEqual([[], []])
})

test('who waits for a first member hears of it, or of the end of the waiting', async () => {
  const contacts = createContacts()
  const controller = new AbortController()
  contacts.add(alice)
  const given = contacts.firstMember(controller.signal)
  controller.abort(new Error('too late'))
  await expect(given).rejects.toThrow('too late')
  const first = contacts.firstMember(new AbortController().signal)
  contacts.synced(alice)
  await expect(first).resolves.toBeUndefined()
  await expect(contacts.firstMember(new AbortController().signal)).resolves.toBeUndefined()
})
