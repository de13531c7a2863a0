import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { silentLogger } from '../../../node/process/logger.ts'
import { createTwinWatch, PRESENT, PROBE, type TwinWatchComponents } from '../../../node/swarms/twin-watch.ts'

const STARTED = 1_000_000
const LISTEN_MS = 5000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function watchOf(more: Partial<TwinWatchComponents> = {}, listenMs = LISTEN_MS) {
  const said: { lease: object; above: number | undefined }[] = []
  const assured: string[] = []
  const watch = createTwinWatch(
    {
      reason: 'a test',
      firstMember: async () => {},
      sync: async () => true,
      announce: async (lease, above) => void said.push({ lease, above }),
      sent: () => false,
      unused: () => 3,
      onAssured: async () => void assured.push('assured'),
      logger: silentLogger,
      ...more
    },
    { listenMs, startedAt: STARTED }
  )
  return { watch, said, assured }
}

const inUse = { name: 'IdentityInUseError' }
const working = { counter: STARTED + 1, task: 'optimize', partition: 2, done: 10, released: false } as const

test('a home that has always been here may sign at once', async () => {
  const { watch, said } = watchOf({ reason: undefined })
  watch.start()
  await watch.untilAlone()
  expect([watch.state, said]).toEqual(['alone', []])
})

test('a restored home asks, listens, and may sign when nobody answered', async () => {
  const { watch, said, assured } = watchOf()
  watch.start()
  expect(watch.state).toBe('listening')
  await vi.advanceTimersByTimeAsync(LISTEN_MS - 1)
  expect([watch.state, assured]).toEqual(['listening', []])
  await vi.advanceTimersByTimeAsync(1)
  await watch.untilAlone()
  expect(assured).toEqual(['assured'])
  expect(said.length).toBeGreaterThan(1)
  expect(new Set(said.map(({ lease }) => lease))).toEqual(new Set([PROBE]))
})

test('without a member it waits, and a wait ends with the signal or the node', async () => {
  const { watch } = watchOf({
    firstMember: async signal =>
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  })
  watch.start()
  await vi.advanceTimersByTimeAsync(100 * LISTEN_MS)
  expect(watch.state).toBe('listening')
  const controller = new AbortController()
  const mine = watch.untilAlone(controller.signal)
  controller.abort(new Error('enough'))
  await expect(mine).rejects.toThrow('enough')
  const all = watch.untilAlone()
  await watch.stop()
  await expect(all).rejects.toMatchObject({ name: 'AbortError' })
})

test.each([
  ['work', working],
  ['an answer', { ...PRESENT, counter: STARTED + 9 }],
  ['the question of another that listens', { ...PROBE, counter: STARTED + 9 }]
])('who listens gives way at %s', async (_, lease) => {
  const { watch, assured } = watchOf()
  watch.start()
  watch.onLease(lease)
  await expect(watch.untilAlone()).rejects.toMatchObject(inUse)
  await vi.advanceTimersByTimeAsync(10 * LISTEN_MS)
  await expect(watch.untilAlone()).rejects.toMatchObject(inUse)
  expect(assured).toEqual([])
})

test('who was here first answers a question above its counter, and goes on', async () => {
  const { watch, said } = watchOf({ reason: undefined })
  watch.onLease({ ...PROBE, counter: STARTED + 9 })
  await watch.untilAlone()
  expect(said).toEqual([{ lease: PRESENT, above: STARTED + 9 }])
})

test('two that both work stop both', async () => {
  const { watch } = watchOf({ reason: undefined })
  watch.onLease(working)
  await expect(watch.untilAlone()).rejects.toMatchObject(inUse)
})

test('neither an own lease nor one of an earlier process, which anybody may send again, raises the alarm', async () => {
  const { watch } = watchOf({ reason: undefined, sent: counter => counter === working.counter })
  watch.onLease(working)
  watch.onLease({ ...working, counter: STARTED })
  await watch.untilAlone()
  expect(watch.state).toBe('alone')
})

test('a number that this home never used makes it listen, once', async () => {
  const { watch, said } = watchOf({ reason: undefined })
  watch.onRecord(2) // lost from the log, and back
  expect(watch.state).toBe('alone')
  watch.onRecord(7)
  expect(watch.state).toBe('listening')
  await vi.advanceTimersByTimeAsync(LISTEN_MS)
  await watch.untilAlone()
  const asked = said.length
  watch.onRecord(6)
  expect([watch.state, said.length]).toEqual(['alone', asked])
})

test('old records may come late, once; records that go on coming are made by a process that is at work', async () => {
  const late = watchOf()
  const busy = watchOf()
  for (const { watch } of [late, busy]) {
    watch.start()
    await vi.advanceTimersByTimeAsync(LISTEN_MS / 2)
    watch.onRecord(4)
    await vi.advanceTimersByTimeAsync(LISTEN_MS / 2 + 1)
    expect(watch.state).toBe('listening')
  }
  await vi.advanceTimersByTimeAsync(LISTEN_MS / 2)
  busy.watch.onRecord(5)
  await vi.advanceTimersByTimeAsync(LISTEN_MS)
  await late.watch.untilAlone()
  await expect(busy.watch.untilAlone()).rejects.toMatchObject(inUse)
})

test('a member that does not answer for the swarm yet is asked again', async () => {
  let answers = 0
  const { watch } = watchOf({ sync: async () => answers++ > 3 })
  watch.start()
  await vi.advanceTimersByTimeAsync(LISTEN_MS)
  expect(watch.state).toBe('listening')
  await vi.advanceTimersByTimeAsync(LISTEN_MS)
  await watch.untilAlone()
})

test('a pause of 0 turns it off', async () => {
  const { watch } = watchOf({}, 0)
  watch.start()
  watch.onLease(working)
  await watch.untilAlone()
  expect(watch.state).toBe('alone')
})
