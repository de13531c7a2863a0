/** One swarm: its partitions, the election, who is in it, and how fast it moves. */
import type { NodeOverview, SwarmOverview } from '../monitor/overview.ts'
import { html, type Html } from '../process/html.ts'
import { byteText, durationText } from '../process/quantities.ts'
import { electionSection } from './election.ts'
import type { Page } from './layout.ts'
import { paceText, stateTag, storyOf, warningSection } from './node-page.ts'
import { mapLegend, partitionMap, partitionTable } from './partition-map.ts'
import { memberSection } from './peers.ts'
import { count, fact, percent, rate, whole } from './words.ts'

export function swarmPage(swarm: SwarmOverview, overview: NodeOverview): Page {
  const { name, role, samples, dimension, partitions, manifest } = swarm
  const ours = overview.warnings.filter(({ swarm: about }) => about === manifest)
  return {
    title: `${name} – CoOpt`,
    heading: html`<p class="crumbs"><a href="/">This node</a></p>
      <h1>${name}</h1>
      <p class="quiet">
        ${role} · ${count(samples, 'image')} in ${count(partitions.length, 'partition')} · ${dimension} dimensions
      </p>
      <p class="quiet">swarm <code>${manifest}</code></p>`,
    sections: [
      { id: 'now', live: true, body: nowSection(swarm) },
      { id: 'warnings', live: true, body: warningSection({ warnings: ours }) },
      { id: 'partitions', live: true, body: partitionsSection(swarm) },
      { id: 'election', live: true, body: electionSection(swarm) },
      { id: 'members', live: true, body: memberSection(swarm, overview) }
    ]
  }
}

// --- internal ---

function nowSection(swarm: SwarmOverview): Html {
  const { coverage, partitions, checks, own, pace, needBytes, complete, mergedCid, records } = swarm
  const done = partitions.filter(({ state }) => ['done', 'disputed', 'confirmed'].includes(state)).length
  return html`<p class="lead"><b>${percent(coverage)}</b> of the rows have targets ${stateTag(swarm)}</p>
    <dl class="facts">
      ${fact('Partitions', `${whole(done)} of ${whole(partitions.length)}`, 'have targets')}
      ${checks !== undefined && fact('Confirmed', `${whole(checks.confirmed)} of ${whole(partitions.length)}`, `by ${checks.rule.quorum} other${checks.rule.quorum === 1 ? '' : 's'}`)}
      ${!complete && fact('Pace of all', pace === undefined ? 'nothing seen to move yet' : `${rate(pace.rowsPerSecond)} rows/s`, pace?.secondsLeft === undefined ? undefined : `about ${durationText(pace.secondsLeft)} left`)}
      ${fact('This node', own.scoring === undefined ? (own.rowsPerSecond > 0 ? `${rate(own.rowsPerSecond)} rows/s` : 'idle') : 'scoring', own.scoring === undefined ? undefined : `${whole(own.scoring.done)} of ${whole(own.scoring.rows)} shared rows`)}
      ${fact('Records', byteText(records.bytes), storyOf(swarm))}
      ${!complete && needBytes > 0 && fact('Disk', byteText(needBytes), 'finishing here may still take')}
    </dl>
    ${done > 0 && html`<p><a class="button" href="/dataset/${encodeURIComponent(swarm.manifest)}">${complete ? 'The dataset' : 'The dataset so far'}</a></p>`}
    ${mergedCid !== undefined && html`<p class="quiet">merged <code>${mergedCid}</code></p>`}`
}

function partitionsSection(swarm: SwarmOverview): Html {
  const { partitions, checks } = swarm
  const pace = paceText(swarm)
  return html`<h2>Partitions</h2>
    ${partitionMap(swarm)} ${mapLegend(swarm)} ${pace !== undefined && html`<p class="quiet">${pace}</p>`}
    ${
      checks !== undefined &&
      checks.waiting.length > 0 &&
      html`<h3>What it waits for</h3>
        <ul>
          ${checks.waiting.map(sentence => html`<li>${sentence}</li>`)}
        </ul>`
    }
    ${checks !== undefined && checks.caught.length > 0 && html`<p><span class="tag bad">caught</span> ${checks.caught.map((peer, i) => html`${i > 0 && ', '}<code>${peer}</code>`)}: stood against clear majorities; their checks count for nothing.</p>`}
    <details id="partition-list">
      <summary>All partitions as a table (${whole(partitions.length)})</summary>
      ${partitionTable(swarm)}
    </details>`
}
