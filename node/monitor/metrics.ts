/**
 * `/metrics` in Prometheus text: what prom-client says of the process (event loop delay among it), what libp2p says of itself, the counters of
 * process/counters.ts, and the overview of the node. One place for every name that starts with `coopt_`.
 *
 * Names and labels are an interface: dashboards and alert rules use them (grafana.json, alerts.yml, checked against this by a test).
 */
import type { Libp2pOptions } from 'libp2p'
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import { counted, COUNTERS, type CounterName } from '../process/counters.ts'
import { PARTITION_STATES, type NodeOverview, type SwarmOverview } from './overview.ts'

export interface NodeMetrics {
  /** For `createLibp2p` */
  readonly libp2p: NonNullable<Libp2pOptions['metrics']>
  /** What is exported from now on comes from here. */
  watch(overview: () => Promise<NodeOverview>): void
  readonly contentType: string
  text(): Promise<string>
}

/** `home`: the directory whose file system is reported as `nodejs_fs_usage_bytes` */
export function createMetrics({ home }: { home: string }): NodeMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const [name, help] of Object.entries(COUNTERS)) addCounter(registry, name as CounterName, help)
  const gauges = nodeGauges(registry)
  const swarmGauges = gaugesOfSwarms(registry)
  let source: (() => Promise<NodeOverview>) | undefined
  return {
    libp2p: prometheusMetrics({ registry, collectDefaultMetrics: false, statfsLocation: home }),
    watch: overview => {
      source = overview
    },
    contentType: registry.contentType,
    text: async () => {
      const overview = await source?.()
      if (overview !== undefined) {
        gauges.set(overview)
        swarmGauges.set(overview.swarms)
      }
      return await registry.metrics()
    }
  }
}

// --- internal ---

function addCounter(registry: Registry, name: CounterName, help: string): void {
  const counter = new Counter({
    name: `coopt_${name}_total`,
    help,
    registers: [registry],
    collect() {
      counter.reset()
      counter.inc(counted()[name])
    }
  })
}

function gaugeIn(registry: Registry) {
  return <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] })
}

function nodeGauges(registry: Registry): { set(overview: NodeOverview): void } {
  const gauge = gaugeIn(registry)
  const info = gauge('coopt_info', 'Version and peer id of the node', ['version', 'peer'])
  const connections = gauge('coopt_connections', 'Open connections', ['direction', 'via'])
  const reached = gauge('coopt_reached', '1 once a peer of another machine has connected directly')
  const reservations = gauge('coopt_relay_reservations', 'Peers that this node relays for')
  const opening = gauge('coopt_swarms_opening', 'Swarms of the home that wait for content of other members')
  const warnings = gauge('coopt_warnings', 'What the page of the node warns of', ['level'])
  const bytes = gauge('coopt_store_bytes', 'Bytes of all blocks')
  const most = gauge('coopt_store_max_bytes', 'store.maxBytes; absent without a limit')
  const free = gauge('coopt_disk_free_bytes', 'Free bytes where the blocks are')
  const floor = gauge('coopt_disk_min_free_bytes', 'store.minFreeBytes')
  const low = gauge('coopt_disk_low', '1 while nothing new is stored for lack of space')
  return {
    set: overview => {
      const { disk } = overview
      info.set({ version: overview.version, peer: overview.peer }, 1)
      for (const direction of ['inbound', 'outbound'] as const) {
        for (const via of ['direct', 'relay'] as const) {
          const isRelayed = via === 'relay'
          const open = overview.connections.filter(one => one.direction === direction && one.isRelayed === isRelayed)
          connections.set({ direction, via }, open.length)
        }
      }
      reached.set(overview.wasReached ? 1 : 0)
      reservations.set(overview.relayReservations)
      opening.set(overview.opening.length)
      for (const level of ['warn', 'fail'] as const)
        warnings.set({ level }, overview.warnings.filter(one => one.level === level).length)
      bytes.set(disk.storeBytes)
      if (disk.maxBytes === undefined) most.remove()
      else most.set(disk.maxBytes)
      free.set(disk.freeBytes)
      floor.set(disk.minFreeBytes)
      low.set(disk.state === 'low' ? 1 : 0)
    }
  }
}

function gaugesOfSwarms(registry: Registry): { set(swarms: readonly SwarmOverview[]): void } {
  const gauge = gaugeIn(registry)
  const all = {
    info: gauge('coopt_swarm_info', 'Name and role of this node in a swarm', ['swarm', 'name', 'role']),
    partitions: gauge('coopt_swarm_partitions', 'Partitions by state', ['swarm', 'state']),
    coverage: gauge('coopt_swarm_coverage_ratio', 'Share of the rows with aligned targets', ['swarm']),
    complete: gauge('coopt_swarm_complete', '1 when every partition has aligned targets', ['swarm']),
    records: gauge('coopt_swarm_records', 'Records in the set', ['swarm', 'type']),
    recordBytes: gauge('coopt_swarm_record_bytes', 'Bytes of all records', ['swarm']),
    scores: gauge('coopt_swarm_scores', 'Counted scores, judged or waiting for their targets', ['swarm', 'state']),
    eligible: gauge('coopt_swarm_eligible_priors', 'Priors that passed the gate', ['swarm']),
    refused: gauge('coopt_swarm_refused_priors', 'Priors that did not pass the gate', ['swarm']),
    members: gauge('coopt_swarm_members', 'Connected members', ['swarm']),
    leases: gauge('coopt_swarm_leases', 'Live leases by holder', ['swarm', 'holder']),
    oldest: gauge('coopt_swarm_oldest_lease_seconds', 'For how long one member has held one partition', ['swarm']),
    rate: gauge('coopt_swarm_own_rows_per_second', 'Rows a second that this node computes', ['swarm']),
    pace: gauge('coopt_swarm_rows_per_second', 'Rows a second of all members, over a quarter of an hour', ['swarm']),
    need: gauge('coopt_swarm_need_bytes', 'Bytes that finishing may still take here', ['swarm'])
  }
  return {
    set: swarms => {
      // a swarm that was left, or a role that changed, must not stay
      for (const one of Object.values(all)) one.reset()
      for (const overview of swarms) {
        const { manifest: swarm, partitions, election, records, scores, leases } = overview
        all.info.set({ swarm, name: overview.name, role: overview.role }, 1)
        for (const state of PARTITION_STATES)
          all.partitions.set({ swarm, state }, partitions.filter(one => one.state === state).length)
        all.coverage.set({ swarm }, overview.coverage)
        all.complete.set({ swarm }, overview.complete ? 1 : 0)
        for (const type of ['score', 'result', 'alignment', 'check'] as const)
          all.records.set({ swarm, type }, records[type])
        all.recordBytes.set({ swarm }, records.bytes)
        all.scores.set({ swarm, state: 'judged' }, scores.judged)
        all.scores.set({ swarm, state: 'unjudged' }, scores.unjudged)
        all.eligible.set({ swarm }, election.candidates.filter(one => one.eligible === true).length)
        all.refused.set({ swarm }, election.candidates.filter(one => one.eligible === false).length)
        all.members.set({ swarm }, overview.members)
        all.leases.set({ swarm, holder: 'own' }, leases.own)
        all.leases.set({ swarm, holder: 'others' }, leases.others)
        all.oldest.set({ swarm }, Math.max(0, ...partitions.map(({ heldMs = 0 }) => heldMs / 1000)))
        all.rate.set({ swarm }, overview.own.rowsPerSecond)
        all.pace.set({ swarm }, overview.pace?.rowsPerSecond ?? 0)
        all.need.set({ swarm }, overview.needBytes)
      }
    }
  }
}
