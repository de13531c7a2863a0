import type { MessageStream } from '@libp2p/interface'
import type { noise } from '@libp2p/noise'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, test } from 'vitest'
import { gatherWrites } from '../../../node/network/gathered-writes.ts'

type Make = ReturnType<typeof noise>

test.each(['secureInbound', 'secureOutbound'] as const)('what %s sends in parts is one write', async direction => {
  const sent: unknown[] = []
  const connection = {
    send: (data: unknown) => {
      sent.push(data)
      return true
    }
  } as unknown as MessageStream
  const secure = async (stream: MessageStream): Promise<never> => {
    stream.send(new Uint8ArrayList(Uint8Array.of(0, 3), Uint8Array.of(1, 2), Uint8Array.of(3)))
    stream.send(Uint8Array.of(9))
    return undefined as never
  }
  const make = (() => ({ protocol: '/noise', secureInbound: secure, secureOutbound: secure })) as unknown as Make
  await gatherWrites(make)({} as never)[direction](connection)
  expect(sent).toEqual([Uint8Array.of(0, 3, 1, 2, 3), Uint8Array.of(9)])
})
