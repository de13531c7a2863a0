/** In one line: can others connect to this node, how, and if not what helps? For `status`, and told by `up` whenever it changes. */
import type { Startable } from '@libp2p/interface'
import { isRelayed, scopeOf } from './address-scope.ts'
import type { OwnAddress } from './own-addresses.ts'
import type { Reach, Reachability } from './reachability.ts'

export interface ReachReport {
  state: Reach
  text: string
}

export interface ReachSource {
  own: { list(): readonly OwnAddress[] }
  reach: Pick<Reachability, 'reach'>
}

export function reachReport({ own, reach }: ReachSource): ReachReport {
  const state = reach.reach()
  return { state, text: TEXTS[state](own.list()) }
}

/** Connections come and go while a node starts: a state is told when it has lasted for a look. */
const LOOK_MS = 5000

/** Tells the text of every lasting change. */
export function watchReach(source: ReachSource, tell: (report: ReachReport) => void): Startable {
  let timer: NodeJS.Timeout | undefined
  let seen: Reach = 'unknown'
  let told: Reach = 'unknown'
  const look = (): void => {
    const report = reachReport(source)
    if (report.state === seen && seen !== told) {
      told = seen
      tell(report)
    }
    seen = report.state
  }
  return {
    start() {
      timer ??= setInterval(look, LOOK_MS).unref()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    }
  }
}

// --- internal ---

const TEXTS: Readonly<Record<Reach, (own: readonly OwnAddress[]) => string>> = {
  public: own => `yes, directly${at(direct(own).filter(one => one.verified && scopeOf(one.address) === 'public'))}`,
  relayed: own => {
    const relays = new Set(
      own.flatMap(({ address }) =>
        isRelayed(address) ? [/\/p2p\/([^/]+)\/p2p-circuit/.exec(String(address))?.[1]] : []
      )
    )
    return `yes, through ${relays.size} ${relays.size === 1 ? 'member' : 'members'}; faster directly: ${advice(own)}`
  },
  local: own => `from this network, and nobody elsewhere has tried; for members elsewhere ${advice(own)}`,
  unreachable: own => `no, members that this node found could not connect by themselves: ${advice(own)}`,
  unknown: own => {
    const untried = direct(own).filter(({ verified }) => !verified)
    const hope =
      untried.length === 0 ? '' : `; its invites carry${at(untried).replace(' at', '')}, which nobody has tried`
    return `not known yet, no member is connected${hope}`
  }
}

function direct(own: readonly OwnAddress[]): OwnAddress[] {
  return own.filter(({ address }) => !isRelayed(address))
}

function at(list: readonly OwnAddress[]): string {
  const [first] = list
  return first === undefined ? '' : ` at ${first.address.toString().replace(/\/p2p\/[^/]+$/, '')}`
}

function advice(own: readonly OwnAddress[]): string {
  const port = direct(own).flatMap(({ address }) => /\/tcp\/(\d+)/.exec(String(address))?.[1] ?? [])[0]
  if (port === undefined) return 'set "network.listen" so that the node listens'
  return `open TCP port ${port} in the firewall, forward it from the router to this machine, and set "network.announce" to /ip4/PUBLIC-ADDRESS/tcp/${port}`
}
