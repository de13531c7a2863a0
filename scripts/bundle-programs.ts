/**
 * Bundles the programs of the package: the command line, the library and the workers, with what they read beside them.
 *
 * One bundle with everything except native modules and zod (whose types are in our declarations): installed as packages, the network stack would add
 * 900 of them, including React Native (through @libp2p/webrtc, which we do not use and replace by a stub).
 */
import { cp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'
import metadata from '../package.json' with { type: 'json' }

const ROOT = resolve(import.meta.dirname, '..')

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

/** Empties `folder`, which must be in the checkout: packages that are not bundled are found from there. Takes a second or two. */
export async function bundlePrograms(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await build({
    absWorkingDir: ROOT,
    // workers are started by file name: each is a separate entry beside the chunk that starts it
    entryPoints: {
      cli: 'node/cli/main.ts',
      index: 'node/index.ts',
      worker: 'node/compute/inference/worker.ts',
      'exact-worker': 'node/compute/exact/worker.ts',
      'decode-worker': 'node/compute/inference/decode-thread.ts',
      'reading-worker': 'node/image-sources/reading-thread.ts',
      'projection-worker': 'node/compute/projection/worker.ts'
    },
    outdir: folder,
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

  // node/page/assets.ts finds them beside the chunks
  await cp(join(ROOT, 'node/page/assets'), join(folder, 'page'), { recursive: true })
  // node/priors/bundled.ts finds them beside the chunks
  await cp(join(ROOT, 'node/priors/bundled'), join(folder, 'priors'), { recursive: true })
}
