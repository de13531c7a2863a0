/**
 * Exit codes of `coopt`, and which error has which. This is the only table: the README prints it (checked by scripts/check-readme.ts), and the
 * local API sends the code with an error, so a command ends the same whether a daemon or its own process did the work.
 *
 * All are below 126: shells use the codes from there on for "not executable", "not found" and signals.
 */

export const EXIT = {
  ok: { code: 0, meaning: 'success' },
  failure: { code: 1, meaning: 'unexpected failure' },
  usage: { code: 2, meaning: 'wrong command, option or argument' },
  locked: { code: 3, meaning: 'another process holds the home directory' },
  input: { code: 4, meaning: 'invalid input: an argument, setting, home, image, prior, source, invite or manifest' },
  refused: { code: 5, meaning: "the prior does not pass the swarm's gate, or aligns too poorly" },
  unavailable: { code: 6, meaning: 'content, a peer, the daemon or a model server cannot be reached in time' },
  verification: { code: 7, meaning: 'verification failed, or content does not match its CID or record' },
  damaged: { code: 8, meaning: 'the home directory is damaged' },
  interrupted: { code: 9, meaning: 'stopped by Ctrl-C or a signal before the work was done' },
  newer: { code: 10, meaning: 'a newer version of coopt wrote the home directory' },
  unconfirmed: { code: 11, meaning: 'join --once: done, but other members did not confirm all of the work in time' },
  temporary: { code: 75, meaning: 'the disk is full or a quota is reached: free space and try again' }
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
  ModelUnavailableError: 'unavailable',
  InvalidContentError: 'verification',
  InvalidRecordError: 'verification',
  HomeVersionError: 'newer',
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
