/** A TCP line to a port of this machine that can be cut: bytes vanish, and neither end is told, as with a dead host. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface TcpLine {
  readonly port: number
  cut(): void
}

export async function tcpLine(target: number): Promise<TcpLine> {
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer(near => {
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      sockets.add(from)
      from.on('data', bytes => {
        if (!isCut) to.write(bytes)
      })
      from.on('error', () => from.destroy())
      from.on('close', () => {
        if (!isCut) to.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true
    }
  }
}
