import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CoOptApi } from '../../../node/api/api.ts'
import { exitCodeOf } from '../../../node/api/exit-codes.ts'
import { checkArguments, isOperation, OPERATIONS, withCheckedArguments } from '../../../node/api/operations.ts'
import { pbCid, rawCid } from '../../../src/codec.ts'
import { encodeInvite } from '../../../src/distribute/invite.ts'
import { fakeApi } from '../../helpers/fake-api.ts'
import { anyValue } from '../../helpers/arbitraries.ts'

const CID = pbCid(Uint8Array.of(1)).toString()
const INVITE = encodeInvite({ swarm: rawCid(Uint8Array.of(1)), addresses: [] })
const NAMES = Object.keys(OPERATIONS).filter(isOperation)

/** Calls with one wrong argument each, and what the message has to name. */
const wrong: [string, (api: CoOptApi) => Promise<unknown>, RegExp][] = [
  ...['', 'bafy', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPa5w', `${CID}x`].flatMap(
    (cid): [string, (api: CoOptApi) => Promise<unknown>, RegExp][] => [
      [`verify "${cid}"`, api => api.verify(cid), /verify: /],
      [`export "${cid}"`, api => api.export(cid, { out: '/x' }), /export: /],
      [`evaluate "${cid}"`, api => api.evaluate(cid, { labels: '/l' }), /evaluate: /],
      [`pin "${cid}"`, api => api.pin(cid, {}), /pin: /],
      [`unpin "${cid}"`, api => api.unpin(cid), /unpin: /],
      [`provide "${cid}"`, api => api.provide(cid), /provide: /]
    ]
  ),
  ...[INVITE.slice(0, -4), 'coopt1', 'hello', ''].flatMap(
    (invite): [string, (api: CoOptApi) => Promise<unknown>, RegExp][] => [
      [`join "${invite}"`, api => api.join(invite, { prior: '/p', once: true }), /join: /],
      [`merge "${invite}"`, api => api.merge(invite, {}), /merge: /],
      [`status "${invite}"`, api => api.status(invite), /status: /],
      [`priorCheck for "${invite}"`, api => api.priorCheck('/p', { shared: invite }), /priorCheck: options\.shared: /]
    ]
  ),
  ['a number of rows', api => api.verify(CID, { rerun: 0 }), /verify: options\.rerun: /],
  ['an unknown option', api => api.merge(INVITE, { outt: '/x' } as object), /merge: options: .*outt/],
  [
    'no partitions',
    api => api.publish('/x', { name: 'n', partitions: 0, shared: 1, dimension: 1 }),
    /options\.partitions/
  ],
  ['no options', api => api.gc(undefined as never), /gc: options: /]
]

test.each(wrong)('%s is an InvalidInputError with exit code 4, and nothing is called', async (_, call, message) => {
  const api = fakeApi()
  const error: unknown = await call(withCheckedArguments(api)).catch((cause: unknown) => cause)
  expect(error).toMatchObject({ name: 'InvalidInputError' })
  expect(String(error)).toMatch(message)
  expect(exitCodeOf(error)).toBe(4)
  expect(api.calls).toEqual([])
})

test('right arguments go through as they are', async () => {
  const api = fakeApi()
  const checked = withCheckedArguments(api)
  await checked.verify(CID)
  await checked.status()
  await checked.join(INVITE, { prior: '/p', once: true })
  await checked.priorCheck('/p', { shared: CID })
  expect(api.calls.map(({ name, args }) => [name, ...args])).toEqual([
    ['verify', CID, {}],
    ['status', undefined],
    ['join', INVITE, { prior: '/p', once: true }],
    ['priorCheck', '/p', { shared: CID }]
  ])
})

test('whatever the arguments, checking them throws nothing but InvalidInputError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...NAMES), fc.array(anyValue(), { maxLength: 3 }), (name, values) => {
      try {
        checkArguments(name, values)
      } catch (error) {
        expect(error).toMatchObject({ name: 'InvalidInputError' })
      }
    }),
    { numRuns: 500 }
  )
})
