/**
 * Exit codes of `coopt`, and which failure has which. One table: the README prints it, the local API sends the code with an error.
 *
 * All below 126, which shells keep for "not executable", "not found" and signals.
 */

export const EXIT = {
  ok: { code: 0, meaning: 'success' },
  failure: { code: 1, meaning: 'unexpected failure' },
  usage: { code: 2, meaning: 'wrong command, option or argument' },
  locked: { code: 3, meaning: 'another process holds the home directory' },
  input: { code: 4, meaning: 'an image, prior, source, invite or manifest cannot be used' },
  refused: { code: 5, meaning: "the prior does not pass the swarm's gate, or cannot be aligned well enough" },
  unavailable: { code: 6, meaning: 'content or a peer cannot be reached in time; a daemon went away' },
  verification: { code: 7, meaning: 'verification failed, or content differs from its promise' },
  damaged: { code: 8, meaning: 'the home directory is damaged' },
  interrupted: { code: 9, meaning: 'stopped by Ctrl-C or a signal before the work was done' },
  temporary: { code: 75, meaning: 'the disk is full or a quota is reached; works again once there is space' }
} as const

export type ExitName = keyof typeof EXIT

/** Error names (src/errors.ts) -> exit. By name: an error may come from the daemon, or from another copy of the package. */
const BY_ERROR: Readonly<Record<string, ExitName>> = {
  UsageError: 'usage',
  HomeLockedError: 'locked',
  InvalidInputError: 'input',
  InvalidManifestError: 'input',
  InvalidPriorError: 'input',
  InvalidImageError: 'input',
  NonFiniteFeatureError: 'input',
  PriorRefusedError: 'refused',
  AlignmentRefusedError: 'refused',
  ContentUnavailableError: 'unavailable',
  ProtocolError: 'unavailable',
  DaemonUnavailableError: 'unavailable',
  InvalidContentError: 'verification',
  InvalidRecordError: 'verification',
  DamagedStoreError: 'damaged',
  AbortError: 'interrupted',
  StoreFullError: 'temporary'
}

export function exitNameOf(error: unknown): ExitName {
  const name = error instanceof Error ? error.name : undefined
  return (name === undefined ? undefined : Object.hasOwn(BY_ERROR, name) ? BY_ERROR[name] : undefined) ?? 'failure'
}

export function exitCodeOf(error: unknown): number {
  return EXIT[exitNameOf(error)].code
}
