/**
 * croissant.json of a merged dataset: Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html), JSON-LD that
 * describes files and columns. Deterministic.
 *
 * Paths are relative to this file, so it is valid on every gateway, mirror and disk. A content-addressed file cannot name its own CID (`url` is that
 * of the swarm's manifest) and has no date, so `datePublished` is left out; so is `version`, because the root CID is the version. The shards are a
 * `FileSet` and not `FileObject`s, which would need the sha256 of whole files: an IPFS CID is the hash of a tree, and merging reads no shard.
 * `manifest.cbor` and `records.car`, which are made here, have theirs.
 */
import { rawCid } from '../codec.ts'
import type { Swarm } from '../distribute/manifest.ts'
import { peerIdOf } from '../peer-key.ts'
import { trustOf } from '../publish/bundle.ts'
import type { Score, SignedRecord } from '../publish/record.ts'
import { shardTotals } from './card-header.ts'
import { CITATION } from './citation.ts'
import { isLocal, LOCAL_VIEW_FILE } from './local-view.ts'
import { PARTITION_COLUMNS, PARTITIONS_FILE } from './partition-table.ts'
import type { SwarmView } from './views.ts'

/**
 * JSON text of the description. `made` are small files of the dataset by name.
 *
 * Licences are the owners' own words: the data's, then those of the priors whose targets are in the dataset.
 */
export function croissant(
  { id, manifest }: Swarm,
  scores: ReadonlyArray<SignedRecord<Score>>,
  view: SwarmView,
  made: ReadonlyMap<string, Uint8Array>
): string {
  const { paths } = shardTotals(manifest, view)
  const used = new Set([...view.chosen.values()].map(({ score }) => score.key))
  const priors = scores.filter(({ key }) => used.has(key))
  const dtype = manifest.targetDtype ?? 'float32'
  const value = {
    '@context': CONTEXT,
    '@type': 'sc:Dataset',
    conformsTo: 'http://mlcommons.org/croissant/1.1',
    name: manifest.name,
    description: `${isLocal(view.acceptance) ? 'A local view, not the dataset of its swarm: ' : ''}${view.rows} images with training targets of ${manifest.dimension} dimensions, made by collaborative data optimization (CoOpt).`,
    url: `ipfs://${id}`,
    license: [...new Set([manifest.license ?? 'unknown', ...priors.flatMap(({ body }) => body.prior.license ?? [])])],
    citeAs: CITATION,
    keywords: ['coopt', 'arxiv:2505.14117'],
    creator: [...new Set([manifest.publisher, ...priors.map(({ body }) => body.author)].map(peerIdOf))].map(peer => ({
      '@type': 'sc:Organization',
      name: peer
    })),
    distribution: [
      ...[...made].map(([name, bytes]) => ({
        '@type': 'cr:FileObject',
        '@id': name,
        name,
        ...(DESCRIPTIONS.has(name) ? { description: DESCRIPTIONS.get(name) } : {}),
        contentUrl: name,
        contentSize: `${bytes.byteLength} B`,
        encodingFormat: MEDIA_TYPES.get(name) ?? 'application/octet-stream',
        sha256: hex(rawCid(bytes).multihash.digest)
      })),
      // a set of no files would not be valid
      ...(paths.length === 0 ? [] : [shards(paths, trustText(view))])
    ],
    recordSet: [
      ...(paths.length === 0 ? [] : [recordSet(manifest.dimension, dtype)]),
      ...(made.has(PARTITIONS_FILE) ? [partitionSet()] : [])
    ]
  }
  return `${JSON.stringify(value, undefined, 2)}\n`
}

// --- internal ---

const SHARDS = 'shards'

/** The registered name is application/vnd.apache.parquet; the specification and its reader know this one. */
const PARQUET = 'application/x-parquet'

/** https://www.iana.org/assignments/media-types: the manifest's signed envelope is dag-cbor, the records a CAR of version 1. */
const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ['manifest.cbor', 'application/vnd.ipld.dag-cbor'],
  ['records.car', 'application/vnd.ipld.car'],
  [PARTITIONS_FILE, 'text/csv'],
  [LOCAL_VIEW_FILE, 'application/json']
])

const DESCRIPTIONS: ReadonlyMap<string, string> = new Map([
  [
    PARTITIONS_FILE,
    'by partition: whose work it is, who holds it, who checked it and how, and whether it is confirmed'
  ],
  [LOCAL_VIEW_FILE, 'this is a local view and not the dataset of its swarm: the rule by which work was left out']
])

/** Which partitions can be checked by running a prior again; undefined if none can. */
function trustText(view: SwarmView): string | undefined {
  const chosen = [...view.chosen.values()]
  const again = chosen.filter(({ score }) => trustOf(score.body.prior) === 'reexecutable')
  if (again.length === 0) return undefined
  const list = again.map(({ partition }) => partition).sort((a, b) => a - b)
  return `Targets of ${again.length} of ${chosen.length} partitions (${list.join(', ')}) are reexecutable from the priors in priors/, the others are claimed by their authors.`
}

const shards = (paths: readonly string[], description: string | undefined) => ({
  '@type': 'cr:FileSet',
  '@id': SHARDS,
  name: SHARDS,
  ...(description === undefined ? {} : { description }),
  encodingFormat: PARQUET,
  includes: paths
})

const recordSet = (dimension: number, dtype: 'float32' | 'float16') => ({
  '@type': 'cr:RecordSet',
  '@id': 'default',
  name: 'default',
  key: { '@id': 'default/id' },
  field: [
    column('id', 'sc:Text', "CIDv1 (raw, sha2-256) of the image's bytes"),
    column('image', 'sc:ImageObject', 'the image as it was published', { transform: { jsonPath: 'bytes' } }),
    {
      ...column('target', dtype === 'float16' ? 'cr:Float16' : 'cr:Float32', 'aligned target'),
      isArray: true,
      arrayShape: `${dimension}`
    },
    column(
      'weight',
      'cr:Float32',
      'how much of the reference the target claims to know, from 0 to 1; 0 without a target'
    )
  ]
})

const partitionSet = () => ({
  '@type': 'cr:RecordSet',
  '@id': 'partitions',
  name: 'partitions',
  description: 'Rows of a shard belong to the line with the name of its file.',
  key: { '@id': 'partitions/partition' },
  field: PARTITION_COLUMNS.map(([name, dataType, description]) => ({
    '@type': 'cr:Field',
    '@id': `partitions/${name}`,
    name,
    description,
    dataType,
    source: { fileObject: { '@id': PARTITIONS_FILE }, extract: { column: name } }
  }))
})

const column = (name: string, dataType: string, description: string, more: Readonly<Record<string, unknown>> = {}) => ({
  '@type': 'cr:Field',
  '@id': `default/${name}`,
  name,
  description,
  dataType,
  source: { fileSet: { '@id': SHARDS }, extract: { column: name }, ...more }
})

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** The context that the specification prescribes (appendix 1). */
const CONTEXT = {
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  arrayShape: 'cr:arrayShape',
  citeAs: 'cr:citeAs',
  column: 'cr:column',
  conformsTo: 'dct:conformsTo',
  containedIn: 'cr:containedIn',
  cr: 'http://mlcommons.org/croissant/',
  data: { '@id': 'cr:data', '@type': '@json' },
  dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
  dct: 'http://purl.org/dc/terms/',
  description: { '@container': '@language' },
  equivalentProperty: 'cr:equivalentProperty',
  examples: { '@id': 'cr:examples', '@type': '@json' },
  extract: 'cr:extract',
  field: 'cr:field',
  fileProperty: 'cr:fileProperty',
  fileObject: 'cr:fileObject',
  fileSet: 'cr:fileSet',
  format: 'cr:format',
  includes: 'cr:includes',
  isArray: 'cr:isArray',
  isLiveDataset: 'cr:isLiveDataset',
  jsonPath: 'cr:jsonPath',
  key: 'cr:key',
  md5: 'cr:md5',
  name: { '@container': '@language' },
  parentField: 'cr:parentField',
  path: 'cr:path',
  rai: 'http://mlcommons.org/croissant/RAI/',
  recordSet: 'cr:recordSet',
  references: 'cr:references',
  regex: 'cr:regex',
  repeated: 'cr:repeated',
  replace: 'cr:replace',
  samplingRate: 'cr:samplingRate',
  sc: 'https://schema.org/',
  separator: 'cr:separator',
  source: 'cr:source',
  subField: 'cr:subField',
  transform: 'cr:transform'
} as const
