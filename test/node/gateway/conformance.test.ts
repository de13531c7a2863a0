/** The applicable cases of the public gateway-conformance suite (v0.13), replayed; gateway.md has the table of groups. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CASES } from './conformance-cases.ts'
import { ask, fill, type Fixtures, startFixtures } from './fixtures.ts'

let fixtures: Fixtures
beforeAll(async () => {
  fixtures = await startFixtures()
})
afterAll(async () => await fixtures.close())

test.each(CASES)(
  'the gateway $name',
  async ({ path, headers = {}, method = 'GET', status, expect: wanted = {}, body }) => {
    const reply = await ask(fixtures, path, headers, method)
    expect(reply.status, reply.body.toString().slice(0, 200)).toBe(status)
    for (const [name, value] of Object.entries(wanted)) {
      if (typeof value === 'string') expect(reply.headers[name], name).toBe(fill(fixtures, value))
      else expect(reply.headers[name], name).toMatch(value)
    }
    if (typeof body === 'string') expect(reply.body.toString()).toBe(body)
    else if (body !== undefined) expect(reply.body.toString()).toMatch(body)
    const length = reply.headers['content-length']
    if (method !== 'HEAD' && status !== 304) expect(Number(length)).toBe(reply.body.byteLength)
  }
)
