/** Who this node is connected to, how, and what each of them does; and how others reach this node. */
import type { ConnectionOverview, NodeOverview, SwarmOverview } from '../monitor/overview.ts'
import { html, type Html } from '../process/html.ts'
import { count, fact, idHtml, rate, scrolling } from './words.ts'

export function reachSection({ peer, addresses, connections, wasReached, relayReservations }: NodeOverview): Html {
  const relayed = connections.filter(({ isRelayed }) => isRelayed).length
  return html`<h2>Network</h2>
    <dl class="facts">
      ${fact('Connections', `${connections.length}`, connections.length === 0 ? undefined : `${connections.length - relayed} direct, ${relayed} relayed`)}
      ${fact('Reached from outside', addresses.length === 0 ? 'off line' : wasReached ? 'yes' : 'not yet', addresses.length === 0 || wasReached ? undefined : 'no peer of another machine has connected directly since the start')}
      ${relayReservations > 0 && fact('Relay reservations', `${relayReservations}`)}
    </dl>
    ${connections.length === 0 ? html`<p class="empty">No peer is connected. <code>coopt doctor</code> tries the addresses of an invite one by one.</p>` : scrolling('Connected peers', connectionTable(connections))}
    <details>
      <summary>Addresses of this node (${addresses.length})</summary>
      <p>Peer id <code>${peer}</code></p>
      ${
        addresses.length === 0
          ? html`<p class="quiet">The network is not running.</p>`
          : html`<ul class="plain">
              ${addresses.map(one => html`<li><code>${one}</code></li>`)}
            </ul>`
      }
    </details>`
}

/** Everybody who has a prior, holds a lease or is connected as a member. */
export function memberSection(swarm: SwarmOverview, { peer: self, connections }: NodeOverview): Html {
  const { manifest, name, election, partitions } = swarm
  const here = new Map(connections.filter(({ swarms }) => swarms.includes(manifest)).map(one => [one.peer, one]))
  const working = partitions.filter(({ state }) => state === 'working')
  const peers = new Set([
    ...election.candidates.map(({ peer }) => peer),
    ...working.flatMap(({ peer }) => peer ?? []),
    ...here.keys()
  ])
  const rows = [...peers].map(peer => {
    const priors = election.candidates.filter(one => one.peer === peer)
    const leases = working.filter(one => one.peer === peer)
    const pace =
      peer === self
        ? swarm.own.rowsPerSecond
        : leases.reduce((sum, { done = 0, heldMs = 0 }) => sum + (heldMs > 0 ? (done / heldMs) * 1000 : 0), 0)
    return html`<tr>
      <th scope="row">${idHtml(peer)}${peer === self && html` <small>this node</small>`}</th>
      <td>${peer === self ? '–' : connectionHtml(here.get(peer))}</td>
      <td class="number">${latency(here.get(peer))}</td>
      <td>${priors.length === 0 ? '–' : priors.map(({ prior }, i) => html`${i > 0 && ', '}${prior}`)}</td>
      <td class="number">${priors.reduce((sum, one) => sum + one.partitions, 0)}</td>
      <td>${leases.length === 0 ? '–' : leases.map(({ index }) => index).join(', ')}</td>
      <td class="number">${leases.length === 0 ? '–' : rate(pace)}</td>
    </tr> `
  })
  const table = html`<table>
    <thead>
      <tr>
        <th scope="col">Peer</th>
        <th scope="col">Connection</th>
        <th scope="col" class="number">Latency</th>
        <th scope="col">Prior</th>
        <th scope="col" class="number">Partitions</th>
        <th scope="col">In work</th>
        <th scope="col" class="number">Rows/s</th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`
  return html`<h2>Members</h2>
    ${
      rows.length === 0
        ? html`<p class="empty">Nobody else is here yet.</p>`
        : html`<p class="quiet">${count(here.size, 'member is', 'members are')} connected.</p>
            ${scrolling(`Members of ${name}`, table)}`
    }`
}

// --- internal ---

function connectionTable(connections: readonly ConnectionOverview[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Peer</th>
        <th scope="col">Connection</th>
        <th scope="col" class="number">Latency</th>
        <th scope="col" class="number">Swarms in common</th>
        <th scope="col">Address</th>
        <th scope="col">Program</th>
      </tr>
    </thead>
    <tbody>
      ${connections.map(
        one =>
          html`<tr>
            <th scope="row">${idHtml(one.peer)}</th>
            <td>${connectionHtml(one)}</td>
            <td class="number">${latency(one)}</td>
            <td class="number">${one.swarms.length}</td>
            <td><code>${one.address.replace(/\/p2p\/[^/]+$/, '')}</code></td>
            <td>${one.agent ?? '–'}</td>
          </tr> `
      )}
    </tbody>
  </table>`
}

function connectionHtml(connection: ConnectionOverview | undefined): Html {
  if (connection === undefined) return html`<span class="quiet">not connected</span>`
  const way = connection.direction === 'inbound' ? 'it called' : 'we called'
  return connection.isRelayed
    ? html`<span class="tag warn">relayed</span> ${way}`
    : html`<span class="tag good">direct</span> ${way}`
}

function latency(connection: ConnectionOverview | undefined): string {
  return connection?.latencyMs === undefined ? '–' : `${Math.round(connection.latencyMs)} ms`
}
