/**
 * One class per failure that a caller may want to tell apart. Test `error.name`: it survives two copies of the package.
 *
 * `reason` is a stable code for programs. The message is for people: it names the subject, the reason and what to do.
 */

/** Base of every error that this project throws on purpose. */
export class CoOptError extends Error {
  static override readonly name: string = 'CoOptError'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** A file, option or argument given by the operator cannot be used. */
export class InvalidInputError extends CoOptError {
  static override readonly name = 'InvalidInputError'
}

/** A manifest is not canonical, not signed by its publisher, or breaks a limit. */
export class InvalidManifestError extends CoOptError {
  static override readonly name = 'InvalidManifestError'
}

/** Why a record is not valid. An honest peer can cause `over-quota` only. */
export type RecordFault =
  | 'too-large'
  | 'not-canonical'
  | 'schema'
  | 'bad-signature'
  | 'wrong-swarm'
  | 'not-admitted'
  | 'over-quota'
  | 'out-of-range'

/** A signed record cannot be accepted; `reason` says why. */
export class InvalidRecordError extends CoOptError {
  static override readonly name = 'InvalidRecordError'
  readonly reason: RecordFault
  constructor(reason: RecordFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A prior model (ONNX file, preprocessing or label file) is refused. */
export class InvalidPriorError extends CoOptError {
  static override readonly name = 'InvalidPriorError'
}

/** An image cannot be decoded, or is of a kind that is not accepted. */
export class InvalidImageError extends CoOptError {
  static override readonly name = 'InvalidImageError'
}

/** A prior produced a value that is not finite; the message names the sample. */
export class NonFiniteFeatureError extends CoOptError {
  static override readonly name = 'NonFiniteFeatureError'
}

/** A content-addressed file does not have the promised bytes, length or shape. */
export class InvalidContentError extends CoOptError {
  static override readonly name = 'InvalidContentError'
}

/** No peer delivered the content in time. Trying again later may help. */
export class ContentUnavailableError extends CoOptError {
  static override readonly name = 'ContentUnavailableError'
}

/** A numeric routine cannot continue (singular system, wrong shape). */
export class NumericError extends CoOptError {
  static override readonly name = 'NumericError'
}

/** A peer broke a protocol: frame too large, malformed message, wrong order. */
export class ProtocolError extends CoOptError {
  static override readonly name = 'ProtocolError'
}

/** Another process holds the home directory. */
export class HomeLockedError extends CoOptError {
  static override readonly name = 'HomeLockedError'
}

/** Another process signs with the identity of this node; this one has published nothing since it noticed. */
export class IdentityInUseError extends CoOptError {
  static override readonly name = 'IdentityInUseError'
}

/** A newer version of CoOpt wrote the home directory; this one changed nothing in it. */
export class HomeVersionError extends CoOptError {
  static override readonly name = 'HomeVersionError'
}

/** Something in the home directory is damaged; the message says what and how to recover. */
export class DamagedStoreError extends CoOptError {
  static override readonly name = 'DamagedStoreError'
}

/** The disk is full, or a quota of the home directory is reached. Nothing was lost; retry once there is space. */
export class StoreFullError extends CoOptError {
  static override readonly name = 'StoreFullError'
}

/** The alignment of this prior is below the floor that the manifest sets. */
export class AlignmentRefusedError extends CoOptError {
  static override readonly name = 'AlignmentRefusedError'
}

/** This prior's targets did not pass the eligibility gate of the swarm. */
export class PriorRefusedError extends CoOptError {
  static override readonly name = 'PriorRefusedError'
}

/** The inference worker crashed, or exceeded its memory or time limit, too often. */
export class InferenceError extends CoOptError {
  static override readonly name = 'InferenceError'
}

/** The server that runs a model cannot be reached, or is not ready. Trying again later may help; finished work is kept. */
export class ModelUnavailableError extends CoOptError {
  static override readonly name = 'ModelUnavailableError'
}
