import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createRequestGate, type Pass, type RequestGate } from '../../../../node/compute/inference/request-gate.ts'

const watch = (gate: RequestGate, how: Parameters<RequestGate['enter']>[0]) => {
  const state: { pass?: Pass } = {}
  void gate.enter(how).then(pass => (state.pass = pass))
  return state
}
const together = { alone: false }
const alone = { alone: true }

describe('requests at a worker', () => {
  test('overlap up to the limit, in the order in which they came', async () => {
    const gate = createRequestGate(2)
    const [a, b, c] = [together, together, together].map(how => watch(gate, how)) as [
      { pass?: Pass },
      { pass?: Pass },
      { pass?: Pass }
    ]
    await setImmediate()
    expect([a.pass, b.pass, c.pass].map(pass => pass !== undefined)).toEqual([true, true, false])
    gate.leave(b.pass as Pass)
    await setImmediate()
    expect(c.pass).toBeDefined()
    expect(gate.passed).toBe(2)
  })

  test('wait for one that must be alone, and it for them', async () => {
    const gate = createRequestGate(3)
    const first = watch(gate, together)
    const lone = watch(gate, alone)
    const later = watch(gate, together)
    await setImmediate()
    expect([lone.pass, later.pass]).toEqual([undefined, undefined])
    gate.leave(first.pass as Pass)
    await setImmediate()
    expect(lone.pass).toEqual({ alone: true })
    expect(later.pass).toBeUndefined()
    gate.leave(lone.pass as Pass)
    await setImmediate()
    expect(later.pass).toBeDefined()
  })

  test('know whether anything was beside them, before or after', async () => {
    const gate = createRequestGate(2)
    const first = await gate.enter(together)
    expect(first.alone).toBe(true)
    const second = await gate.enter(together)
    expect([first.alone, second.alone]).toEqual([false, false])
    gate.leave(first)
    expect(second.alone).toBe(false)
  })

  test('that a worker lost go before those that never went', async () => {
    const gate = createRequestGate(1)
    const first = await gate.enter(together)
    const waiting = watch(gate, together)
    const lost = watch(gate, { alone: true, again: true })
    gate.leave(first)
    await setImmediate()
    expect([lost.pass !== undefined, waiting.pass !== undefined]).toEqual([true, false])
  })
})
