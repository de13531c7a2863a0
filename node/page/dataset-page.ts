/** A merged dataset: what state it is in, what is in it, how its targets lie, who made it, and how it is loaded. */
import type { SwarmOverview } from '../monitor/overview.ts'
import { html, preformatted, type Html } from '../process/html.ts'
import { byteText } from '../process/quantities.ts'
import { COMPARED, type DatasetSample, type SampledRow } from './dataset-sample.ts'
import type { Page, Section } from './layout.ts'
import { loadingSection } from './loading.ts'
import { mapLegend, partitionShares } from './partition-map.ts'
import { projectionFigure } from './projection-figure.ts'
import { count, fact, fixed, idHtml, percent, scrolling, whole } from './words.ts'

/** What a swarm merges to now. */
export interface DatasetView {
  readonly root: string
  /** Rows with a target */
  readonly rows: number
  /** Small files of the top level, by name, with their lengths */
  readonly files: ReadonlyMap<string, number>
  readonly card: string
  readonly shards: number
  readonly shardBytes: number
  readonly license: string | undefined
  /** Partitions that have a shard, ascending */
  readonly chosen: readonly number[]
}

export interface DatasetPageInit {
  readonly swarm: SwarmOverview
  readonly dataset: DatasetView
  readonly host: string
  /** Left out where only the live parts are wanted */
  readonly sample?: DatasetSample
}

/** A card of a swarm of 2,048 partitions is about as long; the file has all of it. */
const MAX_CARD = 64 * 1024

export function datasetPage({ swarm, dataset, host, sample }: DatasetPageInit): Page {
  const { name, manifest } = swarm
  const total = swarm.partitions.length
  const { root, chosen } = dataset
  const fixedParts: Section[] =
    sample === undefined
      ? []
      : [
          { id: 'images', live: false, body: imagesSection(manifest, sample) },
          { id: 'neighbours', live: false, body: neighboursSection(manifest, sample) },
          { id: 'projection', live: false, body: projectionFigure(sample) }
        ]
  return {
    title: `Dataset ${name} – CoOpt`,
    heading: html`<p class="crumbs">
        <a href="/">This node</a> / <a href="/swarm/${encodeURIComponent(manifest)}">${name}</a>
      </p>
      <h1>${name}</h1>`,
    sections: [
      { id: 'now', live: true, body: nowSection(swarm, dataset) },
      ...fixedParts,
      { id: 'participants', live: true, body: participantsSection(swarm) },
      { id: 'loading', live: true, body: chosen.length > 0 ? loadingSection({ root, host, total, chosen }) : html`` },
      { id: 'card', live: true, body: cardSection(dataset) },
      { id: 'directory', live: true, body: directorySection(dataset, total) }
    ]
  }
}

// --- internal ---

function nowSection(swarm: SwarmOverview, { root, rows, shardBytes, license }: DatasetView): Html {
  const { samples, dimension, election } = swarm
  const { tag, text } = standing(swarm)
  return html`<p class="lead">${tag} <span>${text}</span></p>
    <dl class="facts">
      ${fact('Rows with targets', whole(rows), `${percent(rows / samples)} of ${whole(samples)} images`)}
      ${fact('Target', `${dimension} dimensions`)}
      ${fact('Shards', byteText(shardBytes), count(swarm.partitions.length, 'partition'))}
      ${fact('Reference', election.reference?.prior ?? 'none yet')}
      ${fact('Licence of the images', license ?? 'not stated', 'as given by their publisher')}
    </dl>
    ${partitionShares(swarm)} ${mapLegend(swarm)}
    <p class="quiet">merged <code>${root}</code></p>`
}

/** A sentence on how much of it other members stand for. */
function standing({ complete, checks, partitions }: SwarmOverview): { tag: Html; text: string } {
  const has = (...states: string[]): number => partitions.filter(({ state }) => states.includes(state)).length
  const [all, done, confirmed] = [partitions.length, has('done', 'disputed', 'confirmed'), has('confirmed')]
  if (done === 0) return { tag: html`<span class="tag">empty</span>`, text: 'No partition has targets yet.' }
  if (complete)
    return {
      tag: html`<span class="tag good">complete</span>`,
      text:
        checks === undefined
          ? 'All partitions have targets. This swarm asks for no checks: they are the word of their authors.'
          : `All ${whole(all)} partitions were confirmed by other members.`
    }
  if (checks === undefined)
    return {
      tag: html`<span class="tag warn">provisional</span>`,
      text: `${whole(done)} of ${whole(all)} partitions have targets; the CID changes until all do.`
    }
  const word = confirmed === 0 ? 'unconfirmed' : 'provisional'
  return {
    tag: html`<span class="tag warn">${word}</span>`,
    text:
      confirmed === 0
        ? `Nobody but their authors has confirmed the targets yet: ${whole(done)} of ${whole(all)} partitions have some. The CID changes until all are confirmed.`
        : `${whole(confirmed)} of ${whole(all)} partitions are confirmed, ${whole(done - confirmed)} are not yet. The CID changes until all are.`
  }
}

function imagesSection(manifest: string, sample: DatasetSample): Html {
  const { shown, rows, shards, faults } = sample
  const problems =
    faults.length > 0 &&
    html`<ul class="reasons">
      ${faults.map(text => html`<li><span class="tag bad">unreadable</span> ${text}</li>`)}
    </ul>`
  if (rows.length === 0)
    return html`<h2>Images</h2>
      <p class="empty">
        ${shards.all === 0 ? 'There are no targets to look at yet.' : html`None of the ${count(shards.all, 'shard')} is on this node. <code>coopt merge INVITE --out DIR</code> fetches them.`}
      </p>
      ${problems}`
  return html`<h2>Images</h2>
    <p class="quiet">
      ${count(shown.length, 'image')} of ${count(rows.length, 'row')} looked at, from the ${whole(shards.here)} of
      ${count(shards.all, 'shard')} that ${shards.here === 1 ? 'is' : 'are'} on this node. Numbers mark the same images
      below.
    </p>
    ${problems}
    <ol class="sheet">
      ${shown.map((index, i) => html`<li>${picture(manifest, sample, rows[index], `sample ${i + 1}`)}${i < COMPARED && html`<b class="badge">${i + 1}</b>`}</li>`)}
    </ol>`
}

function neighboursSection(manifest: string, sample: DatasetSample): Html {
  const { shown, rows, neighbours } = sample
  if (neighbours.every(list => list.length === 0)) return html``
  return html`<h2>Nearest neighbours</h2>
    <p class="quiet">
      Of each image on the left, the images whose targets are nearest by cosine among the rows looked at.
    </p>
    <div class="nears">
      ${neighbours.map((list, i) => {
        const index = shown[i] ?? 0
        return html`<div class="near" role="group" aria-label="Sample ${i + 1} and its neighbours">
          <figure class="own">
            ${picture(manifest, sample, rows[index], `sample ${i + 1}`)}<b class="badge">${i + 1}</b>
            <figcaption>sample</figcaption>
          </figure>
          ${list.map(
            ({ row, cosine }) =>
              html`<figure>
                ${picture(manifest, sample, rows[row], `neighbour of sample ${i + 1}, cosine ${fixed(cosine, 3)}`)}
                <figcaption>${fixed(cosine, 3)}</figcaption>
              </figure>`
          )}
        </div>`
      })}
    </div>`
}

function picture(manifest: string, { images }: DatasetSample, row: SampledRow | undefined, alternative: string): Html {
  const image = row === undefined ? undefined : images.get(row.id)
  if (row === undefined || image === undefined) return html`<span class="no-image">too large to show</span>`
  if (image.type === undefined) return html`<span class="no-image">a format that browsers do not show</span>`
  const source = `/dataset/${encodeURIComponent(manifest)}/image/${encodeURIComponent(row.id)}`
  return html`<img
    src="${source}"
    alt="${alternative}"
    title="${row.id} · partition ${row.partition} · ${row.prior}"
    width="128"
    height="128"
    loading="lazy"
    decoding="async"
  />`
}

function participantsSection({ name, election }: SwarmOverview): Html {
  const makers = election.candidates.filter(({ partitions, isReference }) => partitions > 0 || isReference)
  if (makers.length === 0) return html``
  const table = html`<table>
    <thead>
      <tr>
        <th scope="col">Prior</th>
        <th scope="col">Peer</th>
        <th scope="col" class="number">Partitions</th>
        <th scope="col" class="number">Gate z</th>
        <th scope="col" class="number">Align. R²</th>
        <th scope="col" class="number">Cosine</th>
      </tr>
    </thead>
    <tbody>
      ${makers.map(
        one =>
          html`<tr${one.isReference && html` class="elected"`}>
<th scope="row">${one.prior}${one.isReference && html` <span class="tag good">reference</span>`}</th>
<td>${idHtml(one.peer)}</td><td class="number">${one.partitions}</td><td class="number">${fixed(one.z, 1)}</td>
<td class="number">${fixed(one.looR2, 3)}</td><td class="number">${fixed(one.looCosine, 3)}</td></tr>`
      )}
    </tbody>
  </table>`
  return html`<h2>Who made it</h2>
    ${scrolling(`Participants of ${name}`, table)}`
}

function cardSection({ card }: DatasetView): Html {
  return html`<h2>Dataset card</h2>
    <details>
      <summary>README.md</summary>
      <pre tabindex="0" role="region" aria-label="Dataset card">${preformatted(card.slice(0, MAX_CARD))}</pre>
      ${card.length > MAX_CARD && html`<p class="quiet">The file has more.</p>`}
    </details>`
}

function directorySection({ root, files, shards, shardBytes }: DatasetView, total: number): Html {
  const at = `/ipfs/${encodeURIComponent(root)}`
  const row = (path: string, what: string, size: string): Html =>
    html`<tr>
      <th scope="row"><a href="${at}/${path}">${path}</a></th>
      <td>${what}</td>
      <td class="number">${size}</td>
    </tr>`
  const table = html`<table>
    <thead>
      <tr>
        <th scope="col">Name</th>
        <th scope="col">What it is</th>
        <th scope="col" class="number">Size</th>
      </tr>
    </thead>
    <tbody>
      ${row('data/', `${whole(shards)} of ${count(total, 'shard')}, Parquet`, byteText(shardBytes))}
      ${row('evidence/', 'shared set, reference, targets of the priors on it', '–')}
      ${[...files].map(([path, bytes]) => row(path, ABOUT[path] ?? '', byteText(bytes)))}
    </tbody>
  </table>`
  return html`<h2>Directory</h2>
    ${scrolling('Directory of the dataset', table)}
    <p><a href="${at}/">Open the directory</a></p>`
}

const ABOUT: Readonly<Record<string, string>> = {
  'README.md': 'dataset card',
  'croissant.json': 'the same for programs',
  'manifest.cbor': 'the signed manifest',
  'records.car': 'the signed records that it follows from',
  'partitions.csv': 'who holds and checked each partition'
}
