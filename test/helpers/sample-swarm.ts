/** A small swarm of real images for tests with processes: those of the shared data set where present, else generated ones. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { publishReportSchema, type PublishReport } from '../../node/api/reports.ts'
import { makeSample } from '../../scripts/make-sample.ts'
import { cifarImages, hasSharedData } from './cifar.ts'
import type { ProcessNodes } from './process-node.ts'

export { bundledPrior as priorPath, type BundledPrior } from '../../node/priors/bundled.ts'

/** The gate's figures scatter too much below 250 shared rows. */
export const SHARED = 300
export const IMAGES = 320
/** The bundled priors that take part have at most 128 features: W is an isometry, and the uniform value the same in every swarm. */
export const DIMENSION = 128

/** A folder of `IMAGES` pictures. */
export async function makeImages(folder: string): Promise<string> {
  if (!hasSharedData) {
    await makeSample(folder, { count: IMAGES })
    return folder
  }
  await mkdir(folder, { recursive: true })
  for (const { id, bytes } of cifarImages(IMAGES)) await writeFile(join(folder, id), bytes)
  return folder
}

/** Publish the pictures from a home; through its daemon, if one runs. */
export async function publishSwarm(
  nodes: ProcessNodes,
  home: string,
  images: string,
  { name = 'test', partitions, quorum = 0 }: { name?: string; partitions: number; quorum?: number }
): Promise<PublishReport> {
  const sizes = ['--partitions', `${partitions}`, '--shared', `${SHARED}`, '--dim', `${DIMENSION}`]
  return await nodes.run(
    home,
    publishReportSchema,
    'publish',
    images,
    '--name',
    name,
    ...sizes,
    '--election',
    'uniformity',
    '--quorum',
    `${quorum}`
  )
}
