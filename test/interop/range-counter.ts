/** A proxy on loopback in front of a gateway that counts partial answers (206): whether a program took ranges or whole files. */
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

export interface RangeCounter {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Partial answers so far */
  ranges(): number
  close(): Promise<void>
}

export async function countRanges(gateway: string): Promise<RangeCounter> {
  let ranges = 0
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', headers, url = '/' } = request
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      ask(new URL(url, gateway), { method, headers: { ...headers, host: new URL(gateway).host } }, resolve)
        .on('error', reject)
        .end()
    })
    if (answer.statusCode === 206) ranges++
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    await pipeline(answer, response)
  }
  const server = createServer((request, response) => {
    // a program may leave in the middle of an answer, as readers of footers do
    forward(request, response).catch(() => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    ranges: () => ranges,
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}
