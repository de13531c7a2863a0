import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test, vi } from 'vitest'
import { watchSilence } from '../../../node/network/silence-watch.ts'
import { testNode, waitFor } from '../../helpers/test-network.ts'
import { tcpLine } from '../../helpers/tcp-line.ts'

const limits = { keepAliveInterval: 100 }

test('a peer from which nothing comes any more is noticed by both sides, whose other connections stay', async () => {
  const [a, b, other] = [await testNode({ limits }), await testNode({ limits }), await testNode({ limits })]
  const port = Number(b.libp2p.getMultiaddrs()[0]?.toString().split('/')[4])
  const line = await tcpLine(port)
  await a.libp2p.dial(other.libp2p.getMultiaddrs())
  const connection = await a.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${line.port}/p2p/${b.libp2p.peerId}`))
  await waitFor(b.libp2p, 'peer:connect', () => b.libp2p.getPeers().length > 0)
  const gone = [a, b].map(async ({ libp2p }, i) => {
    const peer = [b, a][i]?.libp2p.peerId
    await waitFor(libp2p, 'peer:disconnect', () => libp2p.getConnections(peer).length === 0)
  })
  line.cut()
  await Promise.all(gone)
  expect(connection.status).toBe('aborted')
  expect(a.libp2p.getPeers().map(String)).toEqual([other.libp2p.peerId.toString()])
})

/** A connection on which `hear` is data; without the network, because time is wound on. */
function fakeConnection(): {
  connection: MessageStream
  hear: () => void
  aborted: () => boolean
  state: { readStatus: string }
} {
  const events = new EventTarget()
  const state = { readStatus: 'readable' }
  const abort = vi.fn<() => void>()
  const connection = {
    addEventListener: events.addEventListener.bind(events),
    get readStatus() {
      return state.readStatus
    },
    abort
  }
  return {
    connection: connection as unknown as MessageStream,
    hear: () => void events.dispatchEvent(new Event('message')),
    aborted: () => abort.mock.calls.length > 0,
    state
  }
}

const muxers = (): StreamMuxerFactory => ({
  protocol: '/yamux/1.0.0',
  createStreamMuxer: () => ({ status: 'open' }) as StreamMuxer
})

test('a connection that says something now and then stays, one that is held back here too, and a pause of this process counts for nobody', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    let time = 0
    const factory = watchSilence(muxers, { silentMs: 36_000, now: () => time })({})
    const pass = (ms: number): void => {
      for (let done = 0; done < ms; done += 1000) {
        time += 1000
        vi.advanceTimersByTime(1000)
      }
    }
    const [talking, silent, heldBack] = [fakeConnection(), fakeConnection(), fakeConnection()]
    for (const { connection } of [talking, silent, heldBack]) factory.createStreamMuxer(connection)
    heldBack.state.readStatus = 'paused'
    pass(24_000)
    talking.hear()
    time += 3_600_000 // suspended
    pass(35_000)
    expect([talking, silent, heldBack].map(one => one.aborted())).toEqual([false, false, false])
    talking.hear()
    pass(5000)
    expect([talking, silent, heldBack].map(one => one.aborted())).toEqual([false, true, false])
  } finally {
    vi.useRealTimers()
  }
})
