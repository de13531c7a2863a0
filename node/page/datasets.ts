/** What the swarms of this node merge to, and samples of it: made when they are asked for, and kept while they are current. */
import type { SwarmView } from '../../src/merge/views.ts'
import { mergeSwarm, UNSTORED, type Mergeable } from '../merge/merge-swarm.ts'
import type { DatasetView } from './dataset-page.ts'
import { sampleDataset, type DatasetSample, type SampleSource } from './dataset-sample.ts'

export interface Datasets {
  /** The swarm with this manifest, or that merges to this root; undefined when there is none */
  find(id: string): Promise<Mergeable | undefined>
  view(one: Mergeable): Promise<DatasetView>
  sample(one: Mergeable): Promise<DatasetSample>
}

/** Images of a few tabs; each sample keeps 16 MiB of them at most. */
const MAX_SAMPLES = 3
/** Reading a few row groups from a disk that is busy. */
const READ_MS = 30_000

export function createDatasets({
  memberships,
  content
}: {
  memberships(): readonly Mergeable[]
  content: SampleSource
}): Datasets {
  const views = new WeakMap<SwarmView, Promise<DatasetView>>()
  const samples = new Map<string, Promise<DatasetSample>>()

  const view = async (one: Mergeable): Promise<DatasetView> => {
    const now = one.state.view()
    const made =
      views.get(now) ??
      viewOf(one).catch((error: unknown) => {
        views.delete(now)
        throw error
      })
    views.set(now, made)
    return await made
  }

  return {
    view,
    find: async id => {
      const all = memberships()
      const bySwarm = all.find(({ swarm }) => swarm.id.toString() === id)
      if (bySwarm !== undefined) return bySwarm
      for (const one of all) if (one.state.view().chosen.size > 0 && (await view(one)).root === id) return one
      return undefined
    },
    sample: async one => {
      const { chosen } = one.state.view()
      const held = await content.holdsEach([...chosen.values()].map(({ alignment }) => alignment.body.shard))
      const key = `${(await view(one)).root} ${held.filter(Boolean).length}`
      const made =
        samples.get(key) ??
        sampleDataset(one.swarm.manifest, chosen.values(), content, AbortSignal.timeout(READ_MS)).catch(
          (error: unknown) => {
            samples.delete(key)
            throw error
          }
        )
      samples.delete(key)
      samples.set(key, made)
      for (const old of [...samples.keys()].slice(0, -MAX_SAMPLES)) samples.delete(old)
      return await made
    }
  }
}

// --- internal ---

async function viewOf({ swarm, state }: Mergeable): Promise<DatasetView> {
  const { root, rows, files, view } = await mergeSwarm({ swarm, state }, UNSTORED)
  const chosen = [...view.chosen.values()]
  return {
    root: root.toString(),
    rows,
    files: new Map([...files].map(([name, bytes]) => [name, bytes.byteLength])),
    card: new TextDecoder().decode(files.get('README.md')),
    shards: chosen.length,
    shardBytes: chosen.reduce((sum, { alignment }) => sum + alignment.body.bytes, 0),
    license: swarm.manifest.license,
    chosen: chosen.map(({ partition }) => partition).sort((a, b) => a - b)
  }
}
