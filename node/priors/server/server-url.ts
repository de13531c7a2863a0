/** `http://host:8000/v2/models/NAME/versions/V`: which model behind which server. */
import { InvalidPriorError } from '../../../src/errors.ts'

export interface ServerModel {
  /** `http://host:8000`, with the path before `/v2` where a gateway adds one; no slash at its end */
  readonly server: string
  readonly name: string
  /** Absent: the server chooses */
  readonly version?: string
  /** Paths of the protocol, below `server` */
  readonly path: string
}

/** Is this a model behind a server rather than a file? Any text with a scheme of HTTP is one, well-formed or not. */
export function isServerUrl(prior: string): boolean {
  return /^https?:\/\//i.test(prior)
}

/** Does what is sent there cross a network unencrypted? */
export function isOpenToOthers(server: string): boolean {
  const { protocol, hostname } = new URL(server)
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

const FORM = 'http://HOST:PORT/v2/models/NAME or http://HOST:PORT/v2/models/NAME/versions/VERSION is needed'

/** Throws `InvalidPriorError`; a password in the URL is not repeated in the message. */
export function parseServerUrl(text: string): ServerModel {
  const url = URL.parse(text)
  if (url === null) throw new InvalidPriorError(`the URL of the model cannot be parsed: ${FORM}`)
  if (url.username !== '' || url.password !== '')
    throw new InvalidPriorError(
      `the URL of the model on ${url.host} has a user name or password in it, which would be shown and logged: put a token into the environment variable COOPT_PRIOR_TOKEN instead`
    )
  const shown = `${url.origin}${url.pathname}`
  if (url.search !== '' || url.hash !== '')
    throw new InvalidPriorError(
      `${shown} is followed by a query or fragment, which the protocol does not have: ${FORM}`
    )
  const parts = /^(.*)\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/?$/.exec(url.pathname)
  if (parts === null) throw new InvalidPriorError(`${shown} is not a model of the Open Inference protocol: ${FORM}`)
  const [, prefix = '', name = '', version] = parts
  return {
    server: `${url.origin}${prefix}`,
    name: decoded(name, shown),
    ...(version === undefined ? {} : { version: decoded(version, shown) }),
    path: `/v2/models/${name}${version === undefined ? '' : `/versions/${version}`}`
  }
}

function decoded(part: string, shown: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw new InvalidPriorError(`${shown} is not properly percent-encoded`, { cause })
  }
}
