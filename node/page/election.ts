/** Who was elected and by how much, who was refused and why, and how well everybody's targets map onto the reference. */
import type { CandidateOverview, SwarmOverview } from '../monitor/overview.ts'
import { html, type Html } from '../process/html.ts'
import { fact, fixed, idHtml, scrolling, signed } from './words.ts'

export function electionSection({ name, election }: SwarmOverview): Html {
  const { policy, reference, lead, margin, minZ, minLooZ, candidates, isLowerBetter } = election
  const [first] = candidates
  return html`<h2>Election</h2>
    ${
      candidates.length === 0
        ? html`<p class="empty">Nobody has entered a prior yet. <code>coopt join INVITE --prior MODEL</code> does.</p>`
        : html`<dl class="facts">
              ${fact('Reference', reference === undefined ? 'none yet' : reference.prior, reference?.peer === undefined ? undefined : html`of ${idHtml(reference.peer)}`)}
              ${fact('Policy', policy, isLowerBetter ? 'lower is better' : 'higher is better')}
              ${fact('Lead', lead === undefined || first?.rank === undefined ? undefined : Math.abs(lead).toFixed(3), html`over the second; finished work is replaced from ${margin} on`)}
              ${fact('Gate', `z ≥ ${minZ}`, `to be accepted; alignment z ≥ ${minLooZ}`)}
            </dl>
            ${scrolling(`Priors in the election of ${name}`, candidateTable(candidates))} ${refusals(candidates)}`
    }`
}

// --- internal ---

function candidateTable(candidates: readonly CandidateOverview[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th scope="col" class="number">Rank</th>
        <th scope="col">Prior</th>
        <th scope="col">Verdict</th>
        <th scope="col" class="number">Figure</th>
        <th scope="col" class="number">Gate z</th>
        <th scope="col" class="number">Above gate</th>
        <th scope="col" class="number">Align. R²</th>
        <th scope="col" class="number">Cosine</th>
        <th scope="col" class="number">Align. z</th>
        <th scope="col" class="number">Partitions</th>
      </tr>
    </thead>
    <tbody>
      ${candidates.map(candidateRow)}
    </tbody>
  </table>`
}

function candidateRow(one: CandidateOverview): Html {
  return html`<tr${one.isReference && html` class="elected"`}>
<td class="number">${one.rank ?? '–'}</td>
<th scope="row">${one.prior} <small>${idHtml(one.peer)}</small></th>
<td>${verdict(one)}</td>
<td class="number">${fixed(one.figure, 3)}</td>
<td class="number">${fixed(one.z, 1)}</td>
<td class="number">${one.gateMargin === undefined ? '–' : signed(one.gateMargin, 1)}</td>
<td class="number">${fixed(one.looR2, 3)}</td>
<td class="number">${fixed(one.looCosine, 3)}</td>
<td class="number">${fixed(one.looZ, 1)}</td>
<td class="number">${one.partitions}</td>
</tr>
`
}

function verdict({ isReference, eligible, refusals }: CandidateOverview): Html {
  if (isReference) return html`<span class="tag good">elected</span>`
  if (eligible === undefined) return html`<span class="tag">not judged yet</span>`
  if (!eligible) return html`<span class="tag bad">refused</span>`
  return refusals.length > 0
    ? html`<span class="tag warn">not electable</span>`
    : html`<span class="tag">accepted</span>`
}

/** They are sentences, which no column holds. */
function refusals(candidates: readonly CandidateOverview[]): Html | undefined {
  const refused = candidates.filter(({ refusals }) => refusals.length > 0)
  if (refused.length === 0) return undefined
  return html`<h3>Why not</h3>
    <ul class="reasons">
      ${refused.map(
        ({ prior, peer, refusals: why }) => html`<li><b>${prior}</b> of ${idHtml(peer)}: ${why.join('; ')}</li>`
      )}
    </ul>`
}
