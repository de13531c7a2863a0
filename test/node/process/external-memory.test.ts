import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { countBuffersAsHeap } from '../../../node/process/external-memory.ts'

const MODULE = join(import.meta.dirname, '../../../node/process/external-memory.ts')

/** Full collections of a process through which 512 MiB of buffers pass, one of 1 MiB after the other. */
async function collections(isSet: boolean): Promise<number> {
  const program = `
    import { PerformanceObserver, constants } from 'node:perf_hooks'
    import { setImmediate } from 'node:timers/promises'
    ${isSet ? `(await import(${JSON.stringify(MODULE)})).countBuffersAsHeap()` : ''}
    let full = 0
    new PerformanceObserver(list => {
      for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) full++
    }).observe({ entryTypes: ['gc'] })
    const alive = Array.from({ length: 400_000 }, (_, i) => ({ i }))
    for (let i = 0; i < 512; i++) {
      new Uint8Array(1024 * 1024)[i] = alive.length
      await setImmediate()
    }
    await setImmediate()
    console.log(full)
  `
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  expect(stderr).toBe('')
  return Number(stdout)
}

test('buffers that pass through cause fewer full collections', async () => {
  const [before, after] = [await collections(false), await collections(true)]
  expect(after).toBeLessThan(before / 2)
}, 60_000)

test('a Node of another version is left as it is', () => {
  expect(countBuffersAsHeap('25.1.0')).toBe(false)
})
