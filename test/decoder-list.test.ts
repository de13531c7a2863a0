import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allDecoders, NO_DECODERS } from './helpers/decoders/all.ts'

const ROOT = join(import.meta.dirname, '..')
/** An exported function that is named like a decoder and begins with bytes, a text, a file or a path of others. */
const DECODER =
  /^export (?:async )?function\*? (?<name>(?:decode|parse|scan|open|read|unpack|validate|entityOf)\w*)(?:<[^(]*>)?\(\s*(?:\w+|\{[^}]*\})\??: (?<type>[^,)\n]+)/gm
const FOREIGN = /^(?:Uint8Array|string|unknown|ByteRanges|Page|AsyncIterable<Uint8Array>|\{ headers)/

async function decodersIn(layer: string): Promise<string[]> {
  const paths = (await readdir(join(ROOT, layer), { recursive: true })).filter(path => path.endsWith('.ts'))
  const found: string[] = []
  for (const path of paths) {
    const name = `${layer}/${path.replaceAll('\\', '/')}`
    for (const { groups } of (await readFile(join(ROOT, name), 'utf8')).matchAll(DECODER))
      if (FOREIGN.test(groups?.['type'] ?? '')) found.push(`${name} ${groups?.['name']}`)
  }
  return found
}

test('every function that reads foreign bytes is in the list of decoders, or there is a reason', async () => {
  const found = (await Promise.all(['src', 'protocols', 'node'].map(decodersIn))).flat()
  expect(found.length).toBeGreaterThan(60)
  const listed = new Set([...allDecoders(tmpdir()).flatMap(({ through }) => through), ...Object.keys(NO_DECODERS)])
  expect(found.filter(name => !listed.has(name))).toEqual([])
  // what is listed exists
  const exported = async (name: string): Promise<boolean> => {
    const [path = '', of = ''] = name.split(' ')
    return new RegExp(`^export (async )?function\\*? ${of}\\b`, 'm').test(await readFile(join(ROOT, path), 'utf8'))
  }
  for (const name of listed) expect(await exported(name), name).toBe(true)
})
