/** What `coopt doctor` finds: one line each, with what to do about it. Everything in it may be shown to strangers. */
import { homedir } from 'node:os'
import { redacted } from '../process/log-format.ts'

export type Level = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly level: Level
  /** What was looked at: `config`, `disk`, `address 1` */
  readonly about: string
  readonly text: string
  /** Of everything but `ok` */
  readonly remedy?: string
}

export const ok = (about: string, text: string): Finding => ({ level: 'ok', about, text })
export const warn = (about: string, text: string, remedy: string): Finding => ({ level: 'warn', about, text, remedy })
export const fail = (about: string, text: string, remedy: string): Finding => ({ level: 'fail', about, text, remedy })

/** An error as a finding: its message says what to do, as all of this program's do. */
export function failed(about: string, error: unknown): Finding {
  return fail(about, error instanceof Error ? error.message : String(error), 'See the message.')
}

/** Without secrets, without the user's name in paths, and with addresses cut to the network that they are in. */
export function shareable(finding: Finding): Finding {
  const { remedy } = finding
  return { ...finding, text: cleaned(finding.text), ...(remedy === undefined ? {} : { remedy: cleaned(remedy) }) }
}

/** The worst of all. */
export function worst(findings: readonly Finding[]): Level {
  if (findings.some(({ level }) => level === 'fail')) return 'fail'
  return findings.some(({ level }) => level === 'warn') ? 'warn' : 'ok'
}

// --- internal ---

function cleaned(text: string): string {
  const home = homedir()
  const short = home.length > 1 ? redacted(text).replaceAll(home, '~') : redacted(text)
  return short
    .replaceAll(/\/ip4\/(\d+)\.(\d+)\.\d+\.\d+/g, (whole, a: string, b: string) =>
      a === '127' || whole === '/ip4/0.0.0.0' ? whole : `/ip4/${a}.${b}.x.x`
    )
    .replaceAll(/\/ip6\/([0-9a-f]+):[0-9a-f:]*[0-9a-f]{2,}[0-9a-f:]*/gi, '/ip6/$1:x')
    .replaceAll(/\/(dns[46]?|dnsaddr)\/[^/\s]+/g, '/$1/NAME')
}
