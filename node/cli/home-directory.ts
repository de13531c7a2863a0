/** The home directory of a command: `--home`, else COOPT_HOME, else `coopt` in the XDG data directory (basedir-spec 0.8). */
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

export function homeDirectory(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string
): string {
  if (option !== undefined && option !== '') return resolve(cwd, option)
  const { COOPT_HOME, XDG_DATA_HOME, HOME } = env
  if (COOPT_HOME !== undefined && COOPT_HOME !== '') return resolve(cwd, COOPT_HOME)
  // "all paths must be absolute; a relative one should be ignored"
  if (XDG_DATA_HOME !== undefined && isAbsolute(XDG_DATA_HOME)) return join(XDG_DATA_HOME, 'coopt')
  return join(HOME !== undefined && HOME !== '' ? HOME : homedir(), '.local', 'share', 'coopt')
}
