/**
 * The YAML at the head of a dataset card (https://github.com/huggingface/hub-docs/blob/main/datasetcard.md): what the Hugging Face Hub
 * and `datasets` read of it. Deterministic.
 *
 * Untrusted text is written as JSON strings: YAML is a superset of JSON for printable text, which the manifest's schema enforces. The features are
 * those of the shards' own metadata, so that `load_dataset(directory)` and single files give the same columns.
 */
import type { Manifest } from '../distribute/manifest.ts'
import { shardName } from './shard-name.ts'
import type { SwarmView } from './views.ts'

/** Totals over the shards of a view. */
export interface ShardTotals {
  /** Paths below the root, in the order of their partitions */
  readonly paths: readonly string[]
  /** Rows with and without a target */
  readonly rows: number
  readonly bytes: number
}

export function shardTotals(manifest: Manifest, view: SwarmView): ShardTotals {
  const chosen = [...view.chosen.values()].sort((a, b) => a.partition - b.partition)
  return {
    paths: chosen.map(({ partition }) => `data/${shardName(partition, manifest.partitions.length)}`),
    rows: chosen.reduce((sum, { partition }) => sum + (manifest.partitions[partition]?.rows ?? 0), 0),
    bytes: chosen.reduce((sum, { alignment }) => sum + alignment.body.bytes, 0)
  }
}

/** From `---` to `---`. `num_bytes` is the size of the files, because only `datasets` knows the size of its own representation. */
export function cardHeader(manifest: Manifest, { paths, rows, bytes }: ShardTotals): string {
  return `---
${licenseLines(manifest.license)}
pretty_name: ${JSON.stringify(manifest.name)}
size_categories:
- ${sizeCategory(rows)}
task_categories:
- image-feature-extraction
tags:
- coopt
- arxiv:2505.14117
configs:
- config_name: default
  data_files:
  - split: train
    path:${paths.length === 0 ? ' []' : paths.map(path => `\n    - ${path}`).join('')}
dataset_info:
  config_name: default
  features:
  - name: id
    dtype: string
  - name: image
    dtype: image
  - name: target
    list: ${manifest.targetDtype ?? 'float32'}
    length: ${manifest.dimension}
  - name: weight
    dtype: float32
  splits:
  - name: train
    num_bytes: ${bytes}
    num_examples: ${rows}
  download_size: ${bytes}
  dataset_size: ${bytes}
---
`
}

// --- internal ---

/** Licence names of the Hub, which are SPDX identifiers in lower case; datasets seldom use others. */
const HUB_LICENSES = new Set([
  'apache-2.0',
  'mit',
  'cc0-1.0',
  'cc-by-2.0',
  'cc-by-2.5',
  'cc-by-3.0',
  'cc-by-4.0',
  'cc-by-sa-3.0',
  'cc-by-sa-4.0',
  'cc-by-nc-2.0',
  'cc-by-nc-3.0',
  'cc-by-nc-4.0',
  'cc-by-nd-4.0',
  'cc-by-nc-nd-3.0',
  'cc-by-nc-nd-4.0',
  'cc-by-nc-sa-2.0',
  'cc-by-nc-sa-3.0',
  'cc-by-nc-sa-4.0',
  'odbl',
  'pddl',
  'unlicense'
])

/** SPDX's identifiers where the Hub has shorter names. */
const HUB_NAMES: ReadonlyMap<string, string> = new Map([
  ['odbl-1.0', 'odbl'],
  ['pddl-1.0', 'pddl']
])

/** The owner's own words, under the Hub's name for the licence if it has one. */
function licenseLines(license: string | undefined): string {
  if (license === undefined) return 'license: unknown'
  const lower = license.toLowerCase()
  const name = HUB_NAMES.get(lower) ?? lower
  return HUB_LICENSES.has(name) ? `license: ${name}` : `license: other\nlicense_name: ${JSON.stringify(license)}`
}

function sizeCategory(rows: number): string {
  const steps = ['1K', '10K', '100K', '1M', '10M', '100M', '1B', '10B', '100B', '1T']
  const step = steps.findIndex((_, i) => rows < 1000 * 10 ** i)
  if (step === 0) return 'n<1K'
  return step === -1 ? 'n>1T' : `${steps[step - 1]}<n<${steps[step]}`
}
