/** A swarm of real processes on photos (scripts/photo-swarm.ts): one CID, wall time and memory. */
import { column, NAME, verdict, type Figure } from './figure.ts'

const MEBIBYTE = 2 ** 20

export const photoSwarm: Figure = {
  key: 'photo-swarm',
  swarms: [],
  students: [],
  async section(results) {
    const { mergedCids, seconds, processes } = await results.photoSwarm()
    return {
      title: 'A swarm of processes on 1,000 photos',
      paper: 'not in the papers, which have a central platform',
      columns: [
        NAME,
        column('seconds', 'seconds', 0),
        column('partitions', 'partitions', 0),
        column('peak of memory, MiB', 'node', 0),
        column('of its children, MiB', 'children', 0)
      ],
      rows: processes.map(({ peakBytes, childPeakBytes, ...rest }) => ({
        ...rest,
        node: peakBytes / MEBIBYTE,
        children: childPeakBytes / MEBIBYTE
      })),
      verdicts: [verdict('all processes merge to one CID', mergedCids.length === 1)],
      notes: [
        `By \`node scripts/photo-swarm.ts\`, which runs the README's commands: a publisher, efficientnet-lite0 and -lite2 from files, and im_mobilenet025's vectors as a table, one thread each, all on one machine: ${seconds.toFixed(0)} s from \`up\` to the last merge. Merged: ${mergedCids.map(cid => `\`${cid}\``).join(', ')}. Seconds are of \`publish\` or \`join --once\`; children decode images and run models. A table needs no inference, so it is ready first and takes what it can before the models have scored.`
      ]
    }
  }
}
