/** Builds what the package ships, into dist/: the bundled programs (bundle-programs.ts), and type declarations. */
import { readdir, readFile, rm } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { dirname, join, relative, resolve } from 'node:path'
import metadata from '../package.json' with { type: 'json' }
import { bundlePrograms } from './bundle-programs.ts'

const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const TYPES = join(DIST, 'types')

await bundlePrograms(DIST)

const compiler = spawnSync(
  process.execPath,
  [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '--project',
    ROOT,
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--rewriteRelativeImportExtensions',
    '--outDir',
    TYPES,
    '--rootDir',
    ROOT
  ],
  { stdio: 'inherit' }
)
if (compiler.status !== 0) throw new Error('the type declarations could not be built; see above')

// ship only the declarations that the library's entry needs, and none that a consumer could not resolve
const needed = new Set<string>()
const foreign = new Set<string>()
await collect(join(TYPES, 'node/index.d.ts'))
for (const entry of await readdir(TYPES, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (entry.isFile() && !needed.has(path)) await rm(path)
}
const undeclared = [...foreign].filter(name => !(name in metadata.dependencies))
if (undeclared.length > 0) {
  throw new Error(`the public types use packages that are not dependencies: ${undeclared.join(', ')}`)
}
console.error(`built dist/: ${needed.size} declarations, from ${relative(ROOT, join(TYPES, 'node/index.d.ts'))}`)

// --- internal ---

async function collect(path: string): Promise<void> {
  if (needed.has(path)) return
  needed.add(path)
  const text = await readFile(path, 'utf8')
  for (const [, specifier = ''] of text.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)) {
    if (specifier.startsWith('.')) await collect(join(dirname(path), specifier.replace(/\.(ts|js)$/, '.d.ts')))
    else if (!specifier.startsWith('node:'))
      foreign.add(
        specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/')
      )
  }
}
