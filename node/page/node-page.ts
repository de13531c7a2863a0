/** The first page: what this node's swarms are at, what needs attention, and how network and disk are. */
import type { NodeOverview, SwarmOverview } from '../monitor/overview.ts'
import { html, type Html } from '../process/html.ts'
import { byteText, durationText } from '../process/quantities.ts'
import type { Page } from './layout.ts'
import { mapLegend, partitionShares } from './partition-map.ts'
import { reachSection } from './peers.ts'
import { count, fact, percent, rate, whole } from './words.ts'

export function nodePage(overview: NodeOverview): Page {
  const { swarms, warnings } = overview
  const trouble = warnings.length === 0 ? 'nothing needs attention' : count(warnings.length, 'warning')
  return {
    title: 'CoOpt node',
    heading: html`<h1>This node</h1>`,
    sections: [
      { id: 'now', live: true, body: html`<p class="lead">${count(swarms.length, 'swarm')}, ${trouble}.</p>` },
      { id: 'warnings', live: true, body: warningSection(overview) },
      { id: 'swarms', live: true, body: swarmsSection(overview) },
      { id: 'network', live: true, body: reachSection(overview) },
      { id: 'disk', live: true, body: diskSection(overview) }
    ]
  }
}

export function warningSection({ warnings }: Pick<NodeOverview, 'warnings'>): Html {
  if (warnings.length === 0) return html``
  return html`<h2>Needs attention</h2>
    <ul class="warnings">
      ${warnings.map(
        ({ level, text, remedy }) =>
          html`<li class="${level}">
            <p><b>${level === 'fail' ? 'Failure' : 'Warning'}</b> ${text}</p>
            <p class="remedy"><span>What to do</span> ${remedy}</p>
          </li>`
      )}
    </ul>`
}

/** How far a swarm is, in one line. */
export function stateTag({ complete, checks, coverage }: SwarmOverview): Html {
  if (complete) return html`<span class="tag good">complete</span>`
  if (coverage >= 1 && checks !== undefined) return html`<span class="tag warn">not confirmed</span>`
  return html`<span class="tag">in work</span>`
}

export function paceText({ pace, complete, own }: SwarmOverview): string | undefined {
  if (complete) return undefined
  const left = pace?.secondsLeft === undefined ? '' : `, about ${durationText(pace.secondsLeft)} left`
  if (pace !== undefined) return `${rate(pace.rowsPerSecond)} rows/s${left}`
  return own.rowsPerSecond > 0 ? `${rate(own.rowsPerSecond)} rows/s here` : undefined
}

// --- internal ---

function swarmsSection({ swarms, opening }: NodeOverview): Html {
  if (swarms.length === 0 && opening.length === 0)
    return html`<h2>Swarms</h2>
      <p class="empty">
        This node is in no swarm yet. <code>coopt publish IMAGES</code> starts one,
        <code>coopt join INVITE --prior MODEL</code> takes part in one.
      </p>`
  return html`<h2>Swarms</h2>
    ${opening.map(id => html`<p class="quiet">One more waits for content of other members: <code>${id}</code></p>`)}
    <div class="cards">${swarms.map(swarmCard)}</div>`
}

function swarmCard(swarm: SwarmOverview): Html {
  const { manifest, name, role, samples, dimension, coverage, election, partitions, members } = swarm
  const reference = election.reference?.prior
  return html`<article class="card">
    <h3><a href="/swarm/${encodeURIComponent(manifest)}">${name}</a> ${stateTag(swarm)}</h3>
    <p class="quiet">
      ${role} · ${count(samples, 'image')} · ${dimension} dimensions · ${count(members, 'member')} connected
    </p>
    <p class="figure"><b>${percent(coverage)}</b> of the rows have targets</p>
    ${partitionShares(swarm)} ${mapLegend(swarm)}
    <p class="quiet">
      ${[
        reference === undefined ? 'no reference yet' : `reference ${reference}`,
        ...(paceText(swarm) === undefined ? [] : [paceText(swarm)])
      ].join(' · ')}
    </p>
    ${
      partitions.some(({ state }) => ['done', 'disputed', 'confirmed'].includes(state)) &&
      html`<p class="last">
        <a href="/dataset/${encodeURIComponent(manifest)}">Dataset<span class="hidden"> of ${name}</span></a>
      </p>`
    }
  </article> `
}

function diskSection({ disk, swarms }: NodeOverview): Html {
  const { storeBytes, maxBytes, freeBytes, minFreeBytes, state } = disk
  const need = swarms.reduce((sum, { needBytes, role }) => sum + (role === 'observer' ? 0 : needBytes), 0)
  const room = Math.max(0, Math.min(freeBytes - minFreeBytes, (maxBytes ?? Infinity) - storeBytes))
  const all = storeBytes + Math.max(room, need)
  const used = all === 0 ? 0 : (100 * storeBytes) / all
  const coming = all === 0 ? 0 : (100 * need) / all
  const text = `${byteText(storeBytes)} used, ${byteText(need)} still needed, ${byteText(room)} may be used`
  return html`<h2>Disk${state === 'low' && html` <span class="tag bad">low</span>`}</h2>
    <svg class="bar" role="img" aria-label="${text}" viewBox="0 0 100 4" preserveAspectRatio="none">
      <rect class="track" width="100" height="4" />
      <rect class="used" width="${used.toFixed(2)}" height="4" />
      <rect class="need" x="${used.toFixed(2)}" width="${coming.toFixed(2)}" height="4" />
    </svg>
    <dl class="facts">
      ${fact(swatch('used', 'Store'), byteText(storeBytes), maxBytes === undefined ? 'no limit set' : `of at most ${byteText(maxBytes)}`)}
      ${fact(swatch('need', 'Still needed here'), need === 0 ? 'nothing' : byteText(need), need > 0 ? 'to finish the swarms this node works in' : undefined)}
      ${fact(swatch('track', 'May be used'), byteText(room), html`${byteText(freeBytes)} free, ${byteText(minFreeBytes)} left to the machine`)}
    </dl>`
}

export function storyOf({ records, scores }: SwarmOverview): Html {
  return html`${whole(records.score)} scores
  (${scores.unjudged === 0 ? 'all judged' : `${scores.unjudged} not judged yet`}), ${whole(records.result)} results,
  ${whole(records.alignment)} alignments`
}

/** Which part of the bar a figure is. */
function swatch(part: string, label: string): Html {
  return html`<svg class="swatch" viewBox="0 0 4 4" aria-hidden="true">
      <rect class="${part}" width="4" height="4" /></svg
    >${label}`
}
