import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadOnnx } from '../../node/priors/load-prior.ts'
import { syntheticPng } from '../../node/priors/synthetic-image.ts'
import { InferenceError } from '../../src/errors.ts'
import { figure, sizeOf } from '../helpers/effort.ts'
import { watchLoop } from '../helpers/loop-watch.ts'

const CRASHES = sizeOf('COOPT_CRASHES', 12)
const PRIOR = fileURLToPath(new URL('../../node/priors/bundled/superclass2/model.onnx', import.meta.url))
const images = Array.from({ length: 16 }, (_, i) => ({ id: `s${i}`, bytes: syntheticPng(20 + (i % 13), 20 + (i % 7)) }))
/** A hang ends after this time, which is enough for a start on a busy machine. */
const REQUEST_MS = 20_000
const HANG_MS = 300

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** How a process dies while it has a request. */
const DEATHS = ['SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGBUS'] as const

test(
  `a batch has its result whatever its process dies of (${CRASHES} deaths)`,
  { timeout: 60_000 * CRASHES },
  async () => {
    const prior = await loadOnnx(
      { kind: 'onnx', model: PRIOR, name: 'test' },
      { limits: { requestMilliseconds: REQUEST_MS } }
    )
    const pids = new Set<number>()
    try {
      const wanted = (await prior.embed(images)).features
      const watch = watchLoop()
      for (let crash = 0; crash < CRASHES; crash++) {
        const pid = prior.host.workerPid as number
        pids.add(pid)
        process.kill(pid, 'SIGSTOP') // the request is under way and cannot finish before
        const asked = prior.embed(images)
        await setImmediate()
        process.kill(pid, DEATHS[crash % DEATHS.length])
        process.kill(pid, 'SIGCONT')
        expect((await asked).features, `after death ${crash}`).toEqual(wanted)
        expect(prior.host.workerPid).not.toBe(pid)
      }
      const { p99, most } = watch.stop()
      figure('deaths', CRASHES)
      figure('loop p99, CPU ms', p99)
      figure('loop at most, CPU ms', most)
      expect(prior.host.starts).toBe(CRASHES + 1)
      expect(p99).toBeLessThan(50)
      pids.add(prior.host.workerPid as number)
    } finally {
      await prior.close()
    }
    figure('processes left', [...pids].filter(isRunning).length)
    expect([...pids].filter(isRunning)).toEqual([])
  }
)

test(
  'a process that hangs is killed, the batch has a clear error, and the next one its result',
  { timeout: 60_000 * CRASHES },
  async () => {
    const hangs = Math.max(2, Math.round(CRASHES / 10))
    const limits = { requestMilliseconds: HANG_MS, retries: 0 }
    const prior = await loadOnnx({ kind: 'onnx', model: PRIOR, name: 'test' }, { limits })
    const pids = new Set<number>()
    try {
      for (let hang = 0; hang < hangs; hang++) {
        // a busy machine may be slower than the limit without any hang: then it is a clear error too
        await prior.embed(images.slice(0, 1)).catch((error: unknown) => expect(error).toBeInstanceOf(InferenceError))
        const pid = prior.host.workerPid
        if (pid === undefined) continue
        pids.add(pid)
        process.kill(pid, 'SIGSTOP')
        await expect(prior.embed(images.slice(0, 1))).rejects.toThrow(/longer than 300 ms/)
        expect(isRunning(pid)).toBe(false)
      }
    } finally {
      await prior.close()
    }
    figure('hangs', hangs)
    expect([...pids].filter(isRunning)).toEqual([])
  }
)
