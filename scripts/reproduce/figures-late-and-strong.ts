/** Who does what when priors of different speed and worth join together (scripts/reproduce/late-and-strong.ts): before, it was a race. */
import { ACCURACY, column, falling, NAME, scored, verdict, type Figure } from './figure.ts'

/**
 * By the same script on commit f48b9bc, where a node of `join --once` neither improved finished work nor waited for others: rows of each prior, and
 * accuracy of the students in percent, by seed. The three left with three CIDs.
 */
const BEFORE: Readonly<Record<string, number>> = { lite0: 0, lite2: 0, resnet20: 700 }
const STUDENTS_BEFORE = [52.93, 55.13, 52.77]

export const lateAndStrong: Figure = {
  key: 'late-and-strong',
  swarms: [],
  students: [],
  async section(results) {
    const { mergedCid, reference, leavers, students } = await results.lateAndStrong()
    const weak = leavers.find(({ name }) => name === 'resnet20')
    return {
      title: 'Late and strong: priors of different speed and worth',
      paper: 'App. B.4: a better model replaces targets of weaker ones in later rounds',
      columns: [
        NAME,
        column('uniform value', 'uniformValue', 2),
        column('partitions worked on', 'partitions', 0),
        column('rows before', 'before', 0),
        column('rows', 'rows', 0),
        column('left after, s', 'seconds', 0),
        ACCURACY
      ],
      rows: [
        ...leavers.map(one => ({ ...one, before: BEFORE[one.name] })),
        scored('students before', STUDENTS_BEFORE),
        scored('students', students)
      ],
      verdicts: [
        verdict('no row is of the prior that is clearly weaker, though it is the fastest', weak?.rows === 0),
        falling('students > students before', [scored('', students), scored('', STUDENTS_BEFORE)], students.length),
        verdict(
          'each leaves with the CID of later merges',
          leavers.every(one => one.leftWith === mergedCid)
        )
      ],
      notes: [
        `By \`node scripts/reproduce/late-and-strong.ts\`: 700 photos of flowers in six partitions, three processes that join together with \`--once\` on one machine, one thread each. The reference is ${reference}'s. Before, the fastest prior had done all partitions when the good ones had scored S, and these contributed no row; the three left with three CIDs. Students see the 700 photos at 64 px, 30 epochs; the probe is tested on the 3,000 others. Seconds are of a machine with other work besides.`
      ]
    }
  }
}
