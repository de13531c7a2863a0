import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { addressFault, assertCanListen, isPortFree, listenFault } from '../../../node/network/listen.ts'

test.each([
  '/ip4/0.0.0.0/tcp/0',
  '/ip6/::/tcp/65535',
  '/dns4/localhost/tcp/4001',
  '/ip6zone/eth0/ip6/fe80::1/tcp/4001'
])('%s can be listened on', text => {
  expect(listenFault(text)).toBeUndefined()
})

test.each([
  ['/ip4/0.0.0.0/tcp/4001/ws', /only TCP is supported, not \/ws/],
  ['/ip4/0.0.0.0/tcp/443/tls/ws', /only TCP.*\/tls\/ws/],
  ['/ip4/0.0.0.0/udp/4001/quic-v1', /only TCP.*\/quic-v1/],
  ['/unix/tmp', /only TCP/],
  ['/p2p-circuit', /finds relays among the members by itself/],
  [
    '/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWJRJ18Axhm47gWAzorQpCcxHGBRuj41fmAEAD5U9YvfYo/p2p-circuit',
    /finds relays among the members by itself/
  ],
  ['/ip4/127.0.0.1/tcp/99999', /port 99999 is not between 0 and 65535/],
  ['/ip4/127.0.0.1/tcp/-1', /not a multiaddr/],
  ['/ip4/1.2.3/tcp/1', /not a multiaddr \(Invalid IPv4 address/],
  ['/ip4/127.0.0.1', /expected \/ip4\/ADDRESS\/tcp\/PORT/],
  ['/ip4/127.0.0.1/tcp', /not a multiaddr/],
  ['127.0.0.1:4001', /not a multiaddr/],
  ['', /expected/]
])('%s cannot, and the reason is said', (text, reason) => {
  expect(listenFault(text)).toMatch(reason)
})

test('what others are told may be an address of any transport', () => {
  expect(addressFault('/dns4/example.org/tcp/443/wss')).toBeUndefined()
  expect(addressFault('/ip4/127.0.0.1/tcp/70000')).toMatch(/port 70000/)
})

test('a port that is taken is named with the key and the file', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  await expect(
    assertCanListen(['/ip4/127.0.0.1/tcp/0', `/ip4/127.0.0.1/tcp/${port}`], 'H/config.json')
  ).rejects.toMatchObject({
    name: 'InvalidInputError',
    message: `port ${port} is taken by another program (/ip4/127.0.0.1/tcp/${port}): choose another in "network.listen" of H/config.json`
  })
})

test('a free port, both families of it, and an address that this machine does not have', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  await assertCanListen([`/ip4/0.0.0.0/tcp/${port}`, `/ip6/::/tcp/${port}`], 'c')
  await expect(assertCanListen([`/ip4/203.0.113.7/tcp/${port}`], 'c')).rejects.toThrow(
    /does not have the address 203\.0\.113\.7/
  )
})

test('a port is free while nobody listens on it', async () => {
  const server = createServer().listen(0, '0.0.0.0')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(await isPortFree(port)).toBe(false)
  server.close()
  await once(server, 'close')
  expect(await isPortFree(port)).toBe(true)
})
