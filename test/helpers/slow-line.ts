/** A line of so many bytes a second in front of a TCP port on loopback: what a node sends and receives through it takes its time. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

export interface SlowLine {
  readonly port: number
  /** Cut every connection that goes over it; new ones are refused. */
  cut(): void
}

export async function slowLine(port: number, bytesPerSecond: number): Promise<SlowLine> {
  const sockets = new Set<Socket>()
  const server = createServer(from => {
    const to = connect(port, '127.0.0.1')
    for (const socket of [from, to]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    const ends = (): void => void [from.destroy(), to.destroy()]
    pipeline(from, delayed(bytesPerSecond), to).then(ends, ends)
    pipeline(to, delayed(bytesPerSecond), from).then(ends, ends)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(cut)
  return { port: (server.address() as AddressInfo).port, cut }
}

// --- internal ---

function delayed(bytesPerSecond: number): Transform {
  return new Transform({
    highWaterMark: 4096,
    transform: (chunk: Buffer, _, done) => {
      const pass = async (): Promise<void> => {
        await pause((1000 * chunk.byteLength) / bytesPerSecond)
        done(null, chunk)
      }
      void pass()
    }
  })
}
