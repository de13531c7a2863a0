/**
 * Builds what the package ships, into dist/: the command line, the library, the workers, and type declarations.
 *
 * One bundle with everything except native modules and zod (whose types are in our declarations): installed as packages, the network stack would add
 * 900 of them, including React Native (through @libp2p/webrtc, which we do not use and replace by a stub).
 */
import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { dirname, join, relative, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import metadata from '../package.json' with { type: 'json' }

const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const TYPES = join(DIST, 'types')

const withoutWebRtc: Plugin = {
  name: 'without-webrtc',
  setup(bundler) {
    bundler.onResolve({ filter: /^@libp2p\/webrtc$/ }, () => ({ path: 'webrtc', namespace: 'stub' }))
    bundler.onLoad({ filter: /^webrtc$/, namespace: 'stub' }, () => ({
      contents: `export function webRTC () { throw new Error('WebRTC is not part of this build') }
export { webRTC as webRTCDirect }`
    }))
  }
}

await rm(DIST, { recursive: true, force: true })
await build({
  absWorkingDir: ROOT,
  // workers are started by file name: each is a separate entry beside the chunk that starts it
  entryPoints: {
    cli: 'node/cli/main.ts',
    index: 'node/index.ts',
    worker: 'node/compute/inference/worker.ts',
    'exact-worker': 'node/compute/exact/worker.ts',
    'decode-worker': 'node/compute/inference/decode-thread.ts',
    'projection-worker': 'node/compute/projection/worker.ts'
  },
  outdir: DIST,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: Object.keys(metadata.dependencies),
  plugins: [withoutWebRtc],
  // CommonJS modules in the bundle require Node's modules
  banner: {
    js: "import { createRequire as coOptRequire } from 'node:module'; const require = coOptRequire(import.meta.url);"
  },
  legalComments: 'linked',
  logLevel: 'warning'
})

// node/priors/bundled.ts finds them beside the chunks
await cp(join(ROOT, 'node/priors/bundled'), join(DIST, 'priors'), { recursive: true })

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
