/** `/metrics` of a real node, and whether dashboard and alert rules use only what it exports. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCoOptNode } from '../../../node/index.ts'
import { initHome } from '../../../node/home/init-home.ts'
import { askUrl } from '../gateway/fixtures.ts'
import { closeShared, pictures, shared, temporaryFolder } from '../../helpers/test-node.ts'

let url: string
let text: string
let manifest: string

beforeAll(async () => {
  await shared(async () => {
    const home = await temporaryFolder()
    await initHome(home, { network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] } })
    const node = await createCoOptNode({ home, gateway: {} })
    closing = async () => await node.close()
    url = node.gateway ?? ''
    const report = await node.publish(await pictures(32), {
      name: 'observed',
      partitions: 2,
      shared: 16,
      dimension: 16
    })
    manifest = report.manifest
    text = await (await fetch(`${url}/metrics`)).text()
  })
})
let closing = async (): Promise<void> => {}
afterAll(async () => {
  await closing()
  await closeShared()
})

/** Name -> labels that its series have */
function exported(): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>()
  for (const [, name = ''] of text.matchAll(/^# TYPE (\S+)/gm)) names.set(name, new Set())
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? /gm)) {
    const known = names.get(name) ?? new Set()
    names.set(name, known)
    for (const [, label = ''] of labels.matchAll(/(?:^|,)([a-z_]+)=/g)) known.add(label)
  }
  return names
}

/** Every series that a PromQL expression names, with the labels it selects by. */
function* used(expression: string): Generator<{ name: string; labels: string[] }> {
  const pattern = /\b((?:coopt|libp2p|nodejs|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g
  for (const [, name = '', selector = ''] of expression.matchAll(pattern))
    yield { name, labels: [...selector.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label) }
}

/** Prometheus itself adds these when it scrapes. */
const ADDED = new Set(['job', 'instance'])

test('a swarm and the node are in the metrics', () => {
  expect(text).toContain(`coopt_swarm_info{swarm="${manifest}",name="observed",role="publisher"} 1`)
  expect(text).toContain(`coopt_swarm_partitions{swarm="${manifest}",state="missing"} 2`)
  expect(text).toMatch(/^coopt_store_bytes [1-9]\d+$/m)
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m)
  expect(text).toMatch(/^libp2p_connection_manager_connections\{/m)
  expect(text).toMatch(/^coopt_worker_starts_total [1-9]/m)
})

test('every name and label in dashboard and alert rules is exported', async () => {
  const names = exported()
  const read = async (file: string) => await readFile(new URL(`../../../node/monitor/${file}`, import.meta.url), 'utf8')
  const dashboard = JSON.parse(await read('grafana.json')) as {
    panels: { title: string; targets: { expr: string }[] }[]
  }
  const rules = [...(await read('alerts.yml')).matchAll(/alert: (\S+)\n\s+expr: (.*)$/gm)]
  const expressions = [
    ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
    ...rules.map(([, alert = '', expr = '']) => [alert, expr] as const)
  ]
  expect(rules.length).toBeGreaterThan(10)
  for (const [where, expression] of expressions) {
    const all = [...used(expression)]
    if (expression !== 'up{job="coopt"} == 0') expect(all, where).not.toEqual([])
    for (const { name, labels } of all) {
      expect([...names.keys()], `${where}: ${expression}`).toContain(name)
      for (const label of labels)
        if (!ADDED.has(label)) expect([...(names.get(name) ?? [])], `${where}: ${name}`).toContain(label)
    }
  }
})

test('probes answer without CORS, and only for hosts that no web page can point here', async () => {
  for (const path of ['/livez', '/readyz']) {
    const reply = await fetch(`${url}${path}`)
    expect({ path, status: reply.status, text: await reply.text() }).toEqual({ path, status: 200, text: 'ok\n' })
    expect(reply.headers.get('access-control-allow-origin')).toBeNull()
  }
  expect((await fetch(`${url}/livez`, { method: 'POST' })).status).toBe(405)
  const statuses: Record<string, number> = {}
  for (const host of ['localhost', '127.0.0.1:1', '[::1]:18480', 'coopt', 'evil.example', 'evil.example:18480'])
    statuses[host] = (await askUrl(`${url}/metrics`, { host })).status
  expect(statuses).toEqual({
    localhost: 200,
    '127.0.0.1:1': 200,
    '[::1]:18480': 200,
    coopt: 200,
    'evil.example': 421,
    'evil.example:18480': 421
  })
})
