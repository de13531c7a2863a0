import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { statusReportSchema } from '../../../node/api/reports.ts'
import { createProcessNodes, type ProcessNodes } from '../../helpers/process-node.ts'

let nodes: ProcessNodes
beforeAll(async () => {
  nodes = await createProcessNodes()
})
afterAll(async () => await nodes[Symbol.asyncDispose]())

describe('a daemon in which an error is not handled', () => {
  it('logs it and keeps serving, and still ends when it is told to', async () => {
    // what a library does that loses a promise, at a time that the test chooses
    const stray = join(nodes.root, 'stray.mjs')
    await writeFile(
      stray,
      `process.on('SIGUSR2', () => {
        void Promise.reject(new RangeError('a stray rejection'))
        setImmediate(() => { throw new Error('a stray exception') })
      })`
    )
    const { path, peer } = await nodes.home('daemon')
    const daemon = nodes.start(path, ['up'], { import: stray })
    await daemon.until(event => event.type === 'listening')
    daemon.kill('SIGUSR2')
    await daemon.untilSaid('a stray rejection')
    await daemon.untilSaid('a stray exception')
    expect((await nodes.run(path, statusReportSchema, 'status')).peer).toBe(peer)
    daemon.kill('SIGTERM')
    expect((await daemon.ended).code).toBe(0)
  })
})
