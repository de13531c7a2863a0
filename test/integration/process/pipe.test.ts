import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProcessNodes, type ProcessNodes } from '../../helpers/process-node.ts'

let nodes: ProcessNodes
beforeAll(async () => {
  nodes = await createProcessNodes()
})
afterAll(async () => await nodes[Symbol.asyncDispose]())

describe('coopt publish -', () => {
  it('reads stdin, and says why it cannot while a daemon runs', async () => {
    const { path } = await nodes.home('home')
    const alone = await nodes.start(path, ['publish', '-', '--name', 'x']).ended
    expect(alone).toMatchObject({ code: 4, last: { error: { message: '/dev/stdin cannot be read: it is empty' } } })
    const daemon = await nodes.up(path)
    const beside = await nodes.start(path, ['publish', '-', '--name', 'x']).ended
    const message = expect.stringMatching(
      /^\/dev\/stdin is a pipe of this command, .*end the daemon with "coopt down"$/
    ) as string
    expect(beside).toMatchObject({ code: 4, last: { error: { message } } })
    daemon.kill('SIGTERM')
    await daemon.ended
  })
})
