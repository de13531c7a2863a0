/**
 * A swarm with fixed keys, images, shuffle and prior. Two versions of the program with the same wire format and method print the same CIDs on the
 * same machine (features differ in their last bits between machines).
 *
 * Usage: node scripts/fixed-swarm.ts [CHECKOUT]   (another checkout with its own node_modules; this one by default)
 */
import crypto from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { generateKeyPairFromSeed, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type * as Library from '../node/index.ts'
import { makeSample } from './make-sample.ts'

const SEED_BYTES = 32
const IMAGES = 400

const root = resolve(process.argv[2] ?? join(import.meta.dirname, '..'))

// publishing draws one random number, the seed of the shuffle
const { randomBytes } = crypto
crypto.randomBytes = (size: number) => (size === SEED_BYTES ? Buffer.alloc(SEED_BYTES, 7) : randomBytes(size))
syncBuiltinESMExports()

const { createCoOptNode, initHome } = (await import(join(root, 'node/index.ts'))) as typeof Library

const work = await mkdtemp(join(tmpdir(), 'coopt-fixed-'))
try {
  const images = join(work, 'images')
  await makeSample(images, { count: IMAGES })
  const open = async (number: number) => {
    const home = join(work, `home-${number}`)
    await initHome(home, { network: { listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false } })
    const key = await generateKeyPairFromSeed('Ed25519', new Uint8Array(SEED_BYTES).fill(number))
    await writeFile(join(home, 'identity.key'), privateKeyToProtobuf(key))
    return await createCoOptNode({ home })
  }
  const publisher = await open(1)
  const participant = await open(2)
  const { manifest, invite } = await publisher.publish(images, {
    name: 'fixed',
    partitions: 4,
    shared: 300,
    dimension: 64,
    election: 'uniformity'
  })
  // older checkouts have the priors at the top level
  const bundled = ['node/priors/bundled', 'priors'].map(folder => join(root, folder)).find(path => existsSync(path))
  const prior = join(bundled ?? root, 'resnet20')
  const { mergedCid } = await participant.join(invite, { prior, once: true, threads: 1 })
  console.log(JSON.stringify({ manifest, mergedCid }))
  await participant.close()
  await publisher.close()
} finally {
  await rm(work, { recursive: true, force: true })
}
