/**
 * A gateway on a free port over a real store with the shapes that the public gateway-conformance suite asks about, made here: a
 * directory with text and chunked files, a sharded directory, duplicates, dag-cbor with links, a symbolic link, a file with a missing
 * block.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import type { CID } from 'multiformats/cid'
import { DEFAULT_CONFIG } from '../../../node/home/config.ts'
import { type Content, createContent } from '../../../node/content/content.ts'
import { startGateway, type Gateway, type GatewayComponents } from '../../../node/gateway/gateway.ts'
import { createLogger } from '../../../node/process/logger.ts'
import { DurableBlockstore } from '../../../node/store/durable-blockstore.ts'
import { cborCid, encodeCbor, pbCid, rawCid } from '../../../src/codec.ts'

export const ASCII = 'hello application/vnd.ipld.car\n'
export const MULTIBLOCK = Array.from({ length: 1026 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')

export interface Fixtures {
  readonly gateway: Gateway
  readonly content: Content
  readonly store: DurableBlockstore
  /** By name: the CIDs of everything below */
  cid(name: string): CID
  close(): Promise<void>
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A store, its content and what is in it. */
export async function makeStore() {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-gateway-'))
  const store = await DurableBlockstore.open({ path: folder })
  const content = createContent({ local: store }, { blockTimeoutMs: 1000, attempts: 1 })
  return { folder, store, content, remove: async () => await rm(folder, { recursive: true, force: true }) }
}

export async function startFixtures(init: Partial<Parameters<typeof startGateway>[1]> = {}): Promise<Fixtures> {
  const { store, content, remove } = await makeStore()
  const put = async (cid: CID, bytes: Uint8Array): Promise<CID> => await store.put(cid, bytes)
  const cids: Record<string, CID> = {}
  const add = async (prefix: string, files: Record<string, string>, shardSplitThresholdBytes?: number) => {
    const source = Object.entries(files).map(([path, value]) => ({ path, content: [text(value)] }))
    const settings = {
      cidVersion: 1,
      rawLeaves: true,
      wrapWithDirectory: true,
      chunker: fixedSize({ chunkSize: 256 }),
      ...(shardSplitThresholdBytes === undefined ? {} : { shardSplitThresholdBytes })
    } as const
    for await (const { cid, path = '' } of importer(source, store, settings))
      cids[path === '' ? prefix : `${prefix}/${path}`] = cid
  }
  await add('dir', {
    'ascii.txt': ASCII,
    'subdir/multiblock.txt': MULTIBLOCK,
    'subdir/ąę.txt': 'source',
    'subdir/<img src=x>&".txt': 'hostile name',
    'site/index.html': '<h1>index</h1>',
    'percent%2Cname.txt': 'percent',
    noextension: 'plain words',
    'data.parquet': 'PAR1....PAR1'
  })
  await add('dup', { 'a.txt': ASCII, 'copy.txt': ASCII, 'hello.txt': 'hello\n', 'multi.txt': MULTIBLOCK })
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}.txt`, `file ${i} ${'x'.repeat(300)}`]))
  await add('hamt', many, 1)

  const symlink = dagPb.encode({ Data: new UnixFS({ type: 'symlink', data: text('ascii.txt') }).marshal(), Links: [] })
  cids['symlink'] = await put(pbCid(symlink), symlink)
  const ascii = cids['dir/ascii.txt'] as CID
  const document = encodeCbor({ files: { single: ascii }, list: [ascii, cids['dir']], note: 'text' })
  cids['document'] = await put(cborCid(document), document)
  const [first, middle, last] = [ASCII, 'm'.repeat(300), 'last part'].map(text) as [Uint8Array, Uint8Array, Uint8Array]
  const parts = [first, middle, last].map(bytes => ({ cid: rawCid(bytes), bytes }))
  const holes = dagPb.encode({
    Data: new UnixFS({ type: 'file', blockSizes: parts.map(p => BigInt(p.bytes.byteLength)) }).marshal(),
    Links: parts.map(p => ({ Name: '', Hash: p.cid, Tsize: p.bytes.byteLength }))
  })
  cids['holes'] = await put(pbCid(holes), holes)
  for (const [i, part] of parts.entries()) {
    cids[`holes/${i}`] = part.cid
    if (i !== 1) await put(part.cid, part.bytes)
  }
  const gateway = await gatewayOn({ content, memberships: () => [], hasNetwork: false }, { any: true, ...init })
  return {
    gateway,
    content,
    store,
    cid: name => {
      const found = cids[name]
      if (found === undefined) throw new Error(`no fixture ${name}`)
      return found
    },
    close: async () => {
      await gateway.close()
      await remove()
    }
  }
}

/** On any free port. */
export async function gatewayOn(
  components: Omit<GatewayComponents, 'logger'>,
  init: Partial<Parameters<typeof startGateway>[1]> = {}
): Promise<Gateway> {
  const logger = createLogger({ write: () => {} })
  // the default port is somebody else's in a test; 0 is not a value that an operator can configure
  return await startGateway({ ...components, logger }, { ...DEFAULT_CONFIG.gateway, port: 0, ...init })
}

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The connection ended before the answer did */
  broken: boolean
}

/** `{name}` in a template stands for the CID of that fixture. */
export function fill({ cid }: Pick<Fixtures, 'cid'>, template: string): string {
  return template.replaceAll(/\{([^}]+)\}/g, (_, name: string) => cid(name).toString())
}

/** Ask the gateway for a path with fixtures' names in it. */
export async function ask(
  fixtures: Pick<Fixtures, 'cid' | 'gateway'>,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET'
): Promise<Reply> {
  const filled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(fixtures, value)]))
  return await askUrl(`${fixtures.gateway.url}${fill(fixtures, path)}`, filled, method)
}

/** node:http and not fetch: nothing is normalised, decoded, redirected or cached. */
export async function askUrl(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Reply> {
  const { origin } = new URL(url)
  const sent = request(origin, { path: url.slice(origin.length), method, headers, agent: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  let broken = false
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
    broken = true
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), broken }
}
