/** Options that do not apply to a prior are refused rather than ignored. */
import { InvalidPriorError } from '../../src/errors.ts'

export type OptionsOwner = 'model' | 'bundle' | 'server' | 'labels' | 'table'

export interface OwnedOptions {
  readonly output?: string | undefined
  readonly preprocessing?: string | undefined
  readonly key?: string | undefined
  readonly images?: string | undefined
  readonly device?: string | undefined
}

/** `prior`: as the error calls it. Throws `InvalidPriorError` saying which option to leave out. */
export function refuseOptions(
  prior: string,
  owner: OptionsOwner,
  { output, preprocessing, key, images, device }: OwnedOptions
): void {
  const what = `${prior} is ${OWNERS[owner]}`
  const isRows = owner === 'labels' || owner === 'table'
  if (device !== undefined && owner !== 'model' && owner !== 'bundle')
    throw new InvalidPriorError(`${what}, and no model runs here: leave --device out`)
  if (!isRows && (key !== undefined || images !== undefined))
    throw new InvalidPriorError(`${what}, and needs no --key and --images: they are for tables and labels`)
  if (isRows && preprocessing !== undefined)
    throw new InvalidPriorError(`${what}, and takes no settings of images: leave --preprocessing out`)
  if (owner === 'bundle' && preprocessing !== undefined)
    throw new InvalidPriorError(`${what}, which has its own settings of images: leave --preprocessing out`)
  if (owner !== 'labels') return
  if (output !== undefined) throw new InvalidPriorError(`${what} and has no tensor "${output}": leave --output out`)
  if (key !== undefined)
    throw new InvalidPriorError(`${what}, whose first column is the key: --key is for tables of vectors`)
}

// --- internal ---

const OWNERS: Record<OptionsOwner, string> = {
  model: 'a model',
  bundle: 'a bundle',
  server: 'a model behind a server',
  labels: 'a label file',
  table: 'a table of vectors'
}
