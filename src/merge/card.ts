/**
 * README.md of a merged dataset: a Hugging Face dataset card. Deterministic: a function of the swarm and the view alone.
 *
 * Names come from strangers: inside YAML they are JSON strings (card-header.ts), inside Markdown their special characters are escaped.
 */
import type { Swarm } from '../distribute/manifest.ts'
import { peerIdOf } from '../peer-key.ts'
import type { Score, SignedRecord } from '../publish/record.ts'
import { checksSection, localViewNotice } from './card-checks.ts'
import { cardHeader, shardTotals } from './card-header.ts'
import { CITATION } from './citation.ts'
import { assessmentKey, qualityKey, type Evidence, type SwarmView } from './views.ts'

export function datasetCard(
  swarm: Swarm,
  scores: ReadonlyArray<SignedRecord<Score>>,
  evidence: Evidence,
  view: SwarmView
): string {
  const { manifest } = swarm
  const total = manifest.partitions.length
  const totals = shardTotals(manifest, view)
  const reference = view.election.reference
  const priors = new Set(scores.map(({ body }) => body.targets.toString())).size // a copy is not independent
  const dtype = manifest.targetDtype ?? 'float32'
  return `${cardHeader(manifest, totals)}
# ${escapeMarkdown(manifest.name)}

${localViewNotice(view.acceptance)}${view.rows} images with training targets of ${manifest.dimension} dimensions, made by collaborative data optimization
(CoOpt, [arXiv 2505.14117](https://arxiv.org/abs/2505.14117)): ${priors} independent prior${priors === 1 ? '' : 's'}, ${view.chosen.size} of ${total} partitions${view.complete ? '' : ' so far (provisional)'}.

| column | type | meaning |
|---|---|---|
| \`id\` | string | CIDv1 (raw, sha2-256) of the image's bytes: a row certifies its sample |
| \`image\` | struct(bytes, path) | the image as it was published, under a neutral name |
| \`target\` | list(${dtype}), ${manifest.dimension} | aligned target; null where labels or a table of vectors had none for the image |
| \`weight\` | float32 | how much of the reference the target claims to know, from 0 to 1; 0 where it is null |

Train any architecture with a linear head to ${manifest.dimension} dimensions and the loss weight * (1 - cosine(head(x), target)).

## How to load it

From any IPFS gateway or a directory, with nothing but Parquet readers. \`ROOT\` is a gateway's URL (here that of \`coopt up\`; Kubo has port
8080) with the CID under which you found this file:

\`\`\`python
ROOT = "http://127.0.0.1:18480/ipfs/CID"
FILES = [f"{ROOT}/data/train-{i:05d}-of-${shardCount(total)}.parquet" for i in ${partitionList(view, total)}]

# Hugging Face datasets: rows as they are needed, images decoded
from datasets import load_dataset
train = load_dataset("parquet", data_files={"train": FILES}, split="train", streaming=True)

# pyarrow: chosen columns of one file by range requests
import fsspec, pyarrow.parquet
with fsspec.open(FILES[0]) as file:
    table = pyarrow.parquet.read_table(file, columns=["id", "target"])

# DuckDB (extension httpfs): SQL over all of them
import duckdb
rows = duckdb.execute("SELECT count(*), count(target) FROM read_parquet(?)", [FILES]).fetchall()
\`\`\`

In a copy on disk (\`ipfs get CID\`), \`load_dataset("DIRECTORY")\` takes the files from the head of this card, and \`croissant.json\`
describes them for everything that reads Croissant. The key-value metadata of each file names its swarm, partition, reference and prior.
${checksSection(manifest, view)}## How it was made

The publisher \`${peerIdOf(manifest.publisher)}\` divided ${manifest.samples} images into ${total} partitions and drew ${manifest.shared.rows} of them as a shared set.
Each participant below ran a model of its own, its prior, on the shared set and on partitions, and published only what it gave: targets of
${manifest.dimension} dimensions. ${reference?.matrix === undefined ? "One prior's targets of the shared set were elected as the reference" : 'The consensus of their targets on the shared set is the reference'}, and all targets were mapped onto it by ridge regression.
A row's weight is min(1, |target - s|^2 / v), where s is the mean row of the reference (\`evidence/reference.f32\`) and v the mean of
|row - s|^2 over its rows: ridge draws what it cannot predict towards s.

- Swarm \`${swarm.id}\`, election by ${manifest.election.policy}.
- Reference ${reference?.cid === undefined ? 'none yet' : `\`${reference.cid}\``}${reference === undefined ? '' : ` from ${reference.provenance.from.map(key => `score \`${key}\``).join(', ')}`}.
- Licence of the images, as given by their publisher: ${escapeMarkdown(manifest.license ?? 'not stated')}.

| peer | prior | licence | trust | uniform value | z | reference R2 | reference cosine | partitions |
|---|---|---|---|---|---|---|---|---|
${scores.map(score => scoreRow(score, evidence, view)).join('\n')}

*Trust*: targets are either their author's word (claimed) or can be made again by anybody from the prior in \`priors/CID\` (reexecutable):
\`coopt verify CID --rerun\`. *Uniform value*: how evenly a prior's targets of the shared set cover the sphere, lower is better. *z*: how
many standard deviations their relation to reference features of the images is above that of noise. *Reference R2* and *cosine*: leave-one-out quality of the map onto
the reference. *Partitions*: those whose targets come from this prior.

\`manifest.cbor\`, \`records.car\` and \`evidence/\` let anybody recompute the election and the alignment figures: \`coopt verify CID\`.

## How to cite it

\`\`\`bibtex
${CITATION}
\`\`\`
`
}

/** Backslash-escape all ASCII punctuation: what Markdown, HTML and automatic links are made of (CommonMark 2.4). */
export function escapeMarkdown(text: string): string {
  return text.replace(/[!-/:-@[-`{-~]/g, '\\$&')
}

// --- internal ---

function shardCount(total: number): string {
  return total.toString().padStart(5, '0')
}

/** The partitions that have a shard, in Python. */
function partitionList(view: SwarmView, total: number): string {
  return view.chosen.size === total
    ? `range(${total})`
    : `[${[...view.chosen.keys()].sort((a, b) => a - b).join(', ')}]`
}

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
    escapeMarkdown(prior.license ?? 'not stated'),
    prior.bundle === undefined ? 'claimed' : `reexecutable: \`${prior.bundle.cid}\``,
    figure(assessment?.uniformValue),
    figure(assessment?.z),
    figure(quality?.looR2),
    figure(quality?.looCosine),
    partitions
  ].join(' | ')} |`
}
