/** The swarms of the evaluation, by name, and the PLAN.json that runs some of them. */
import { InvalidInputError } from '../../src/errors.ts'
import type { AllData } from './image-files.ts'
import type { Scale, SwarmSetup } from './work-list.ts'

/** The honest priors that never saw more than CIFAR-10, best first by their linear probe (zoo.json). */
export const PRIORS = [
  'resnet20',
  'mobilenet',
  'vgg_small',
  'resnet20_ep2',
  'vit_tiny',
  'simclr_conv',
  'superclass2',
  'random_conv'
] as const

/** Below 0.62 each. */
export const WEAK_PRIORS = ['resnet20_ep2', 'simclr_conv', 'superclass2', 'random_conv'] as const
/** The rest, including `vit_tiny`, which has the best uniform value. */
export const STRONGER_PRIORS = ['resnet20', 'mobilenet', 'vgg_small', 'vit_tiny'] as const

/** Best, middle and worst of PRIORS as references. */
export const BEST = 'resnet20'
export const MEDIUM = 'simclr_conv'
export const WORST = 'random_conv'

/** Shared rows of Tab. 8. */
export const SHARED_SIZES = [25, 50, 100, 250, 500, 1000, 2500] as const
const DEFAULT_SHARED = 1000

export const participants = (names: readonly string[]): { prior: string }[] => names.map(prior => ({ prior }))

/** The whole zoo's best priors aligned to `alignTo`. */
export function alignedTo(alignTo: string): SwarmSetup {
  return { name: `to-${alignTo.replace(':', '-')}`, settings: { alignTo } }
}

/** A swarm with one prior only. */
export function single(prior: string): SwarmSetup {
  return { name: `only-${prior}`, settings: { participants: participants([prior]), alignTo: 'none', gate: false } }
}

/** Without the gate, which is for 300 shared images and more. */
export function sharedOf(rows: number): SwarmSetup {
  return { name: `shared-${rows}`, settings: { alignTo: `prior:${BEST}`, shared: rows, gate: false } }
}

/** Two attackers among the eight: white noise, and a weak prior whose targets are whitened. */
export const ATTACKERS = [
  { prior: 'noise_hash', attack: 'noise' },
  { prior: 'random_conv', attack: 'whiten', name: 'whitened' }
] as const

/** Elected by a policy, among the eight or with attackers too. */
export function elected(
  policy: string,
  { attackers = [], gate = true, name = '' }: { attackers?: readonly object[]; gate?: boolean; name?: string } = {}
): SwarmSetup {
  const suffix = `${attackers.length === 0 ? '' : `-${name === '' ? 'attacked' : name}`}${gate ? '' : '-no-gate'}`
  return {
    name: `by-${policy}${suffix}`,
    settings: {
      policy,
      gate,
      ...(attackers.length === 0 ? {} : { participants: [...participants(PRIORS), ...attackers] })
    }
  }
}

/** The plan for these swarms of one image set, once for each seed; configurations are called NAME-sSEED. */
export function planOf(
  setups: ReadonlyArray<{ setup: SwarmSetup; seed: number }>,
  data: AllData,
  scale: Scale
): object {
  const [images = 'cifar10', ...others] = new Set(setups.map(({ setup }) => setup.images ?? 'cifar10'))
  if (others.length > 0) throw new InvalidInputError('a plan is for one image set')
  const files = data[images]
  // a plan of CIFAR-10 names what it always named, so that cached swarms are found
  const imagenet = setups.some(({ setup }) => JSON.stringify(setup.settings).includes('lite'))
  const priors = [...PRIORS, 'im_mobilenet025', 'noise_hash', ...(imagenet ? ['lite0', 'lite2'] : [])]
  return {
    images: files.images,
    labels: files.labels,
    priors: Object.fromEntries(priors.map(name => [name, files.prior(name)])),
    base: {
      rows: scale.rows,
      partitions: scale.partitions,
      shared: Math.min(DEFAULT_SHARED, scale.rows),
      dimension: 128,
      participants: participants(PRIORS)
    },
    configs: setups.map(({ setup, seed }) => ({ ...setup.settings, name: configName(setup.name, seed), seed }))
  }
}

export function configName(swarm: string, seed: number): string {
  return `${swarm}-s${seed}`
}
