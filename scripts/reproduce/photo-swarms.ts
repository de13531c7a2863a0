/** Swarms of flowers and photos, whose priors differ more in worth than CIFAR-10's, and the students of 64 x 64 pixels that learn from them. */
import type { ImageSetName } from './image-files.ts'
import { participants } from './swarms.ts'
import type { StudentRun, SwarmSetup } from './work-list.ts'

/** Trained on ImageNet; the probes on flowers put them in this order. */
export const IMAGENET_PRIORS = ['lite0', 'lite2', 'im_mobilenet025'] as const
/** Trained on CIFAR-10, the last one without labels. */
export const CIFAR_PRIORS = ['vgg_small', 'resnet20', 'simclr_conv'] as const
export const SIX = [...IMAGENET_PRIORS, ...CIFAR_PRIORS] as const

/** White noise, and an untrained network whose targets are whitened. */
export const INTRUDERS = [
  { prior: 'noise_hash', attack: 'noise' },
  { prior: 'random_conv', attack: 'whiten', name: 'whitened' }
] as const

/** Draws of the rows, the partitions and the shared set, and initial weights of the student. */
export const PHOTO_SEEDS = 5
/** Two thirds of the flowers: each seed draws others. */
const FLOWERS = { rows: 2000, partitions: 40, shared: 1000, dimension: 256 }
/** All of the photos, of which 700 are for students and 300 for the test. */
const PHOTOS = { rows: 1000, partitions: 20, shared: 700, dimension: 256 }
export const EPOCHS: Readonly<Record<ImageSetName, number>> = { flowers: 5, photos: 10, cifar10: 5 }

/** `settings` as in PLAN.json. Without participants the six take part. */
export function photoSwarm(
  images: ImageSetName,
  name: string,
  settings: Readonly<Record<string, unknown>> = {},
  seeds: number = PHOTO_SEEDS
): SwarmSetup {
  const base = images === 'flowers' ? FLOWERS : images === 'photos' ? PHOTOS : {}
  return {
    name: `${images}-${name}`,
    images,
    seeds,
    settings: { ...base, participants: participants(SIX), ...settings }
  }
}

export function studentOf({ name, images = 'cifar10', seeds = PHOTO_SEEDS }: SwarmSetup): StudentRun {
  return { swarm: name, images, seeds, epochs: EPOCHS[images], probes: [] }
}
