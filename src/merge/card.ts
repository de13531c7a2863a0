/**
 * README.md of a merged dataset: a Hugging Face dataset card. Deterministic: a function of the swarm and the view alone.
 *
 * Names come from strangers: inside YAML they are JSON strings (YAML is a superset), inside Markdown their special characters are escaped.
 */
import type { Swarm } from '../distribute/manifest.ts'
import { peerIdOf } from '../peer-key.ts'
import type { Score, SignedRecord } from '../publish/record.ts'
import { shardName } from './shard-name.ts'
import { assessmentKey, qualityKey, type Evidence, type SwarmView } from './views.ts'

export function datasetCard(
  swarm: Swarm,
  scores: ReadonlyArray<SignedRecord<Score>>,
  evidence: Evidence,
  view: SwarmView
): string {
  const { manifest } = swarm
  const total = manifest.partitions.length
  const files = [...view.chosen.keys()].sort((a, b) => a - b).map(p => `data/${shardName(p, total)}`)
  const reference = view.election.reference
  return `---
license: other
license_name: ${JSON.stringify(manifest.license ?? 'unknown')}
pretty_name: ${JSON.stringify(manifest.name)}
tags:
- coopt
configs:
- config_name: default
  data_files:
  - split: train
    path:${files.length === 0 ? ' []' : files.map(file => `\n    - ${file}`).join('')}
---
# ${escapeMarkdown(manifest.name)}

${view.rows} images with training targets of ${manifest.dimension} dimensions, made by collaborative data optimization
(CoOpt, arXiv 2505.14117): ${scores.length} independent priors, ${view.chosen.size} of ${total} partitions${view.complete ? '' : ' so far (provisional)'}.

| column | type | meaning |
|---|---|---|
| \`id\` | string | CIDv1 (raw, sha2-256) of the image's bytes: a row certifies its sample |
| \`image\` | struct(bytes, path) | the image as it was published, under a neutral name |
| \`target\` | list(float32), ${manifest.dimension} | aligned target; null where a human prior gave no label |

Train any architecture with a linear head to ${manifest.dimension} dimensions and the loss 1 - cosine(head(x), target).

## How it was made

Swarm \`${swarm.id}\`, election by ${manifest.election.policy}.
Reference ${reference?.cid === undefined ? 'none yet' : `\`${reference.cid}\``}${reference === undefined ? '' : ` from ${reference.provenance.from.map(key => `score \`${key}\``).join(', ')}`}.

| peer | prior | licence | uniform value | held-out R2 | reference R2 | reference cosine | partitions |
|---|---|---|---|---|---|---|---|
${scores.map(score => scoreRow(score, evidence, view)).join('\n')}

\`manifest.cbor\`, \`records.car\` and \`evidence/\` let anybody recompute the election and the alignment figures: \`coopt verify CID\`.
`
}

/** Backslash-escape all ASCII punctuation: what Markdown, HTML and automatic links are made of (CommonMark 2.4). */
export function escapeMarkdown(text: string): string {
  return text.replace(/[!-/:-@[-`{-~]/g, '\\$&')
}

// --- internal ---

function scoreRow(score: SignedRecord<Score>, evidence: Evidence, view: SwarmView): string {
  const { author, prior, targets } = score.body
  const assessment = evidence.assessments.get(assessmentKey(score.body))
  const reference = view.election.reference?.cid
  const quality = reference === undefined ? undefined : evidence.qualities.get(qualityKey(targets, reference))
  const partitions = [...view.chosen.values()].filter(c => c.score.key === score.key).length
  const figure = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4))
  return `| ${[
    `\`${peerIdOf(author)}\``,
    escapeMarkdown(prior.name),
    escapeMarkdown(prior.license ?? ''),
    figure(assessment?.uniformValue),
    figure(assessment?.r2),
    figure(quality?.looR2),
    figure(quality?.looCosine),
    partitions
  ].join(' | ')} |`
}
