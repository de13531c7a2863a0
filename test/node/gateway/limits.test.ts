import { connect } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import type { Content } from '../../../node/content/content.ts'
import { ContentUnavailableError } from '../../../src/errors.ts'
import { rawCid } from '../../../src/codec.ts'
import { ask, askUrl, type Fixtures, gatewayOn, makeStore, startFixtures } from './fixtures.ts'

async function fixturesWith(init: Parameters<typeof startFixtures>[0] = {}): Promise<Fixtures> {
  const fixtures = await startFixtures(init)
  onTestFinished(async () => await fixtures.close())
  return fixtures
}

/** A gateway over a store that answers when the test says so. */
async function waitingGateway(init: Parameters<typeof gatewayOn>[1] = {}) {
  const { content, remove } = await makeStore()
  const block = new TextEncoder().encode('a block')
  const cid = rawCid(block)
  await content.put(cid, block)
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const slow: Content = {
    ...content,
    block: async (...args) => {
      asked.resolve()
      await answer.promise
      return await content.block(...args)
    }
  }
  const gateway = await gatewayOn({ content: slow, memberships: () => [], hasNetwork: false }, { any: true, ...init })
  onTestFinished(async () => {
    answer.resolve()
    await gateway.close()
    await remove()
  })
  return { gateway, url: `${gateway.url}/ipfs/${cid}`, asked: asked.promise, answer: answer.resolve }
}

test('one request too many is told to come again', async () => {
  const { url, asked, answer } = await waitingGateway({ maxRequests: 1 })
  const first = askUrl(url)
  await asked
  expect(await askUrl(url)).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
  answer()
  expect((await first).body.toString()).toBe('a block')
  expect((await askUrl(url)).status).toBe(200)
})

test('a request with too long a head is refused', async () => {
  const fixtures = await fixturesWith()
  expect((await ask(fixtures, `/ipfs/{dir}/${'x'.repeat(20_000)}`)).status).toBe(431)
  expect((await ask(fixtures, `/ipfs/{dir}${'/x'.repeat(65)}`)).status).toBe(400)
})

test('closing breaks off what is being answered', async () => {
  const { gateway, url, asked } = await waitingGateway()
  const broken = askUrl(url).catch((error: NodeJS.ErrnoException) => error.code)
  await asked
  await Promise.all([gateway.close(), gateway.close()])
  expect(await broken).toBe('ECONNRESET')
})

test('content of a swarm that no member sends in time is a timeout, not a missing file', async () => {
  const { content, remove } = await makeStore()
  const cid = rawCid(new TextEncoder().encode('elsewhere'))
  const swarm = { id: cid, manifest: { partitions: [], shared: { cid }, referenceFeatures: { cid } } }
  const state = { set: { records: () => [] }, events: new EventTarget() }
  const absent: Content = {
    ...content,
    block: async () => {
      throw new ContentUnavailableError('nobody has it')
    }
  }
  const memberships = () => [{ swarm, state }] as never
  const gateway = await gatewayOn({ content: absent, memberships, hasNetwork: true })
  onTestFinished(async () => {
    await gateway.close()
    await remove()
  })
  expect(await askUrl(`${gateway.url}/ipfs/${cid}`)).toMatchObject({ status: 504, headers: { 'retry-after': '10' } })
  expect((await askUrl(`${gateway.url}/ipfs/${cid}`, { 'cache-control': 'only-if-cached' })).status).toBe(412)
})

test('a configured port that is taken is an error, the default one is not needed', async () => {
  const { gateway } = await fixturesWith()
  const { content, remove } = await makeStore()
  onTestFinished(remove)
  await expect(
    gatewayOn({ content, memberships: () => [], hasNetwork: false }, { port: gateway.port })
  ).rejects.toMatchObject({ name: 'InvalidInputError', message: expect.stringContaining(`${gateway.port}`) as string })
})

test('a client that speaks no HTTP does no harm', async () => {
  const fixtures = await fixturesWith()
  const socket = connect(fixtures.gateway.port, '127.0.0.1')
  socket.end('\u0000\u0001 nonsense\r\n\r\n')
  await once(socket.resume(), 'close')
  expect((await ask(fixtures, '/ipfs/{dir}/ascii.txt')).status).toBe(200)
})

test('a reader that stops does not make the gateway read on', async () => {
  const { content, store, remove } = await makeStore()
  const leaf = new Uint8Array(1_000_000)
  const { importBytes } = await import('../../../src/distribute/unixfs-import.ts')
  const file = await importBytes(
    (function* () {
      for (let i = 0; i < 40; i++) {
        leaf[0] = i
        yield leaf
      }
    })(),
    content.put
  )
  let reads = 0
  const counting: Content = { ...content, block: async (...args) => (reads++, await content.block(...args)) }
  const gateway = await gatewayOn({ content: counting, memberships: () => [], hasNetwork: false }, { any: true })
  onTestFinished(async () => {
    await gateway.close()
    await store.close()
    await remove()
  })
  const response = await fetch(`${gateway.url}/ipfs/${file.cid}`)
  const reader = response.body?.getReader()
  await reader?.read()
  // the kernel's buffers and a few blocks are filled, then nothing moves: ask for something else to see that time has passed
  for (let i = 0; i < 300; i++) await askUrl(`${gateway.url}/ipfs/bafkqaaa`)
  expect(reads).toBeLessThan(30)
  await reader?.cancel()
})
