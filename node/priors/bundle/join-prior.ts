/** Opens the prior that takes part: any that `loadPrior` opens, or a bundle by its CID. The blocks of a bundle are then in the store, to be served. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidContentError } from '../../../src/errors.ts'
import type { PriorModel } from '../../../src/optimize/prior.ts'
import type { Content } from '../../content/content.ts'
import { directoryCid } from '../../api/directory-cid.ts'
import { DEFAULT_LIMITS } from '../../compute/inference/limits.ts'
import { loadPrior, type LoadPriorOptions } from '../load-prior.ts'
import { refuseOptions } from '../refuse-options.ts'
import { isServerUrl } from '../server/server-url.ts'
import { storeBundle } from './bundle-files.ts'
import { fetchBundle } from './fetch-bundle.ts'
import { isBundle, openBundle } from './open-bundle.ts'

export interface JoinPriorComponents {
  content: Content
  /** Folder for temporary files of this home; emptied when it is opened */
  spool: string
  onLicense(text: string): void
  signal: AbortSignal
}

/** `prior`: absolute path, CID of a bundle, or URL of a model behind a server. Errors as `loadPrior` and `fetchBundle`. */
export async function loadPriorToJoin(
  prior: string,
  options: LoadPriorOptions,
  { content, spool, onLicense, signal }: JoinPriorComponents
): Promise<PriorModel> {
  const cid = directoryCid(prior)
  if (cid === undefined) {
    if (isServerUrl(prior) || !(await isBundle(prior))) return await loadPrior(prior, { ...options, signal })
    refuseOptions(prior, 'bundle', options)
    const { prior: model, files } = await openBundle(prior, options)
    await storeBundle(files, content.put)
    await content.barrier()
    return model
  }
  refuseOptions(prior, 'bundle', options)
  await mkdir(spool, { recursive: true, mode: 0o700 })
  const folder = await mkdtemp(join(spool, 'bundle-'))
  const remove = async (): Promise<void> => await rm(folder, { recursive: true, force: true })
  try {
    const maxModelBytes = options.limits?.modelBytes ?? DEFAULT_LIMITS.modelBytes
    await fetchBundle(cid, folder, { content, maxModelBytes, signal })
    const { prior: model, facts, root } = await openBundle(folder, options)
    onLicense(`prior "${facts.name}" is under the licence: ${facts.license ?? 'not stated'}`)
    const close = async (): Promise<void> => {
      await model.close()
      await remove()
    }
    if (root.cid.equals(cid)) return { ...model, close } // a worker that is replaced reads the model again
    await model.close()
    throw new InvalidContentError(`${cid} is not laid out as bundles are: the same files make ${root.cid}`)
  } catch (error) {
    await remove()
    throw error
  }
}
