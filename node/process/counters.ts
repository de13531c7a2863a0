/**
 * What happened in this process since it started, as counters: whoever does a thing counts it here, and `/metrics` exports all of them
 * (node/monitor/metrics.ts). They decide nothing. Nodes that share a process share the counters.
 */

/** Every counter and what it counts. The exported name is `coopt_<name>_total`. */
export const COUNTERS = {
  worker_starts: 'Inference worker processes started, restarts included',
  worker_losses: 'Inference workers that died or were killed while a request was under way',
  checks_made: "Checks of other members' work that this node published",
  rows_computed: 'Rows whose targets this node computed',
  sync_sessions: 'Anti-entropy sessions with a member that succeeded',
  sync_failures: 'Anti-entropy sessions that failed',
  peer_faults: 'Provable faults of peers: invalid records, malformed frames, wrong content',
  peers_denied: 'Peers that were denied for a while after too many faults',
  blocks_fetched: 'Blocks received from other peers',
  block_bytes_fetched: 'Bytes of blocks received from other peers',
  block_fetch_failures: 'Blocks that no peer sent in time',
  store_faults: 'Blocks in the store that were damaged or could not be read',
  unhandled_errors: 'Errors that nobody handled, each of them a bug'
} as const

export type CounterName = keyof typeof COUNTERS

const counts = Object.fromEntries(Object.keys(COUNTERS).map(name => [name, 0])) as Record<CounterName, number>

export function count(name: CounterName, by = 1): void {
  counts[name] += by
}

export function counted(): Readonly<Record<CounterName, number>> {
  return { ...counts }
}
