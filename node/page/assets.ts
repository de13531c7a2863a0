/** The files that pages load: `node/page/assets` in a checkout, `dist/page` in the package (scripts/build.ts copies them). */
import { readFile } from 'node:fs/promises'

const FOLDER = new URL(import.meta.url.endsWith('.ts') ? './assets/' : './page/', import.meta.url)

const TYPES = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml'
} as const

export interface Asset {
  readonly type: string
  readonly bytes: Uint8Array
}

const loaded = new Map<string, Promise<Uint8Array>>()

/** Undefined for a name that is none of them. */
export async function asset(name: string): Promise<Asset | undefined> {
  if (!Object.hasOwn(TYPES, name)) return undefined
  const known = loaded.get(name) ?? readFile(new URL(name, FOLDER))
  loaded.set(name, known)
  return { type: TYPES[name as keyof typeof TYPES], bytes: await known }
}
