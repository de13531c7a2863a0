import { multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi } from 'vitest'
import type { OwnAddress } from '../../../node/network/own-addresses.ts'
import { createReachability, type Reach } from '../../../node/network/reachability.ts'
import { reachReport, watchReach, type ReachReport } from '../../../node/network/reach-report.ts'
import { testPeer } from '../../helpers/swarm-factory.ts'

type Link = { direction: 'inbound' | 'outbound'; remoteAddr: ReturnType<typeof multiaddr> }
const link = (direction: Link['direction'], address: string): Link => ({ direction, remoteAddr: multiaddr(address) })
const [elsewhere, nearby] = ['/ip4/5.9.0.2/tcp/4000', '/ip4/192.168.0.7/tcp/4000']
const circuit = `/ip4/5.9.0.9/tcp/1/p2p/${testPeer(1).id}/p2p-circuit`

test.each<[Reach, string, Link[], OwnAddress[]]>([
  ['unknown', 'without connections', [], []],
  ['local', 'with members in the same network only', [link('outbound', nearby)], []],
  ['unreachable', 'that found members elsewhere and was found by none', [link('outbound', elsewhere)], []],
  ['unreachable', 'found nearby only', [link('outbound', elsewhere), link('inbound', nearby)], []],
  ['unreachable', 'found through a relay', [link('outbound', elsewhere), link('inbound', circuit)], []],
  ['public', 'found from elsewhere', [link('inbound', elsewhere)], []],
  ['public', 'dialed back', [], [{ address: multiaddr('/ip4/5.9.0.1/tcp/20001'), verified: true }]],
  [
    'unknown',
    'with an address that nobody tried',
    [],
    [{ address: multiaddr('/ip4/5.9.0.1/tcp/20001'), verified: false }]
  ],
  ['relayed', 'with a reservation', [link('outbound', elsewhere)], [{ address: multiaddr(circuit), verified: true }]]
])('%s is a node %s', (state, _, connections, own) => {
  const reach = createReachability({ own: () => own, connections: () => connections })
  expect(reachReport({ own: { list: () => own }, reach }).state).toBe(state)
})

test('what was seen counts for an hour after the connection ended', () => {
  let time = 0
  let connections = [link('inbound', elsewhere)]
  const reach = createReachability({ own: () => [], connections: () => connections }, () => time)
  reach.observe(link('inbound', elsewhere))
  connections = []
  time += 59 * 60_000
  expect(reach.reach()).toBe('public')
  time += 60_000
  expect(reach.reach()).toBe('unknown')
})

test('the line names the port to forward, and the address that nobody tried', () => {
  const own = [
    { address: multiaddr(`/ip4/192.168.0.2/tcp/20001/p2p/${testPeer(0).id}`), verified: true },
    { address: multiaddr(`/ip4/5.9.0.1/tcp/20001/p2p/${testPeer(0).id}`), verified: false }
  ]
  const text = (state: Reach): string => reachReport({ own: { list: () => own }, reach: { reach: () => state } }).text
  expect(text('unreachable')).toMatch(/^no, .*open TCP port 20001 .*router.*network\.announce/)
  expect(text('unknown')).toBe(
    'not known yet, no member is connected; its invites carry /ip4/5.9.0.1/tcp/20001, which nobody has tried'
  )
})

test('a change is told once, when it has lasted', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    let state: Reach = 'unknown'
    const told: ReachReport['state'][] = []
    const watch = watchReach({ own: { list: () => [] }, reach: { reach: () => state } }, report =>
      told.push(report.state)
    )
    void watch.start()
    const looks: Reach[] = ['unknown', 'local', 'public', 'public', 'public', 'unreachable', 'unreachable']
    for (const next of looks) {
      state = next
      vi.advanceTimersByTime(5000)
    }
    void watch.stop()
    expect(told).toEqual(['public', 'unreachable'])
  } finally {
    vi.useRealTimers()
  }
})
