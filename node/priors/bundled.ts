/** The priors that ship with the package: `node/priors/bundled` in a checkout, `dist/priors` in the package (scripts/build.ts copies them). */
import { fileURLToPath } from 'node:url'

export type BundledPrior = 'resnet20' | 'simclr_conv' | 'superclass2' | 'untrained' | 'vgg_small'

const FOLDER = new URL(import.meta.url.endsWith('.ts') ? './bundled/' : './priors/', import.meta.url)

/** Absolute path of the folder with `model.onnx` and `preprocessor_config.json`. */
export function bundledPrior(name: BundledPrior): string {
  return fileURLToPath(new URL(name, FOLDER))
}
