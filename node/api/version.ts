/** The version of this package, from its package.json: the bundle has it inlined. */
import metadata from '../../package.json' with { type: 'json' }

export const VERSION: string = metadata.version
