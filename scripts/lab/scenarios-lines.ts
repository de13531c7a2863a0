/** Scenarios about bytes on lines: long ones, several holders, a slow member, and a swarm that has nothing to do. */
import { z } from 'zod'
import { exitCode, exits, exitsWithZero, inTime, duration, type Finding, type Scenario } from './scenario.ts'

/** wan-fetch.py publishes 360 pictures in partitions and 120 of them again as S. */
const PARTITIONS_SHARE = 360 / 480

/** `before`: MB/s of partitions, and of one HTTP download over the same line. 100 Mbit/s are the lab's default. */
const wanFetch = (rttMs: number, before: string, quick?: Scenario['quick'], mbit = 100): Scenario => ({
  name: `wan-fetch ${rttMs} ms${mbit === 100 ? '' : `, ${mbit} Mbit/s`}`,
  script: 'wan-fetch',
  runs: [['--rtt', `${rttMs}`, ...(mbit === 100 ? [] : ['--mbit', `${mbit}`])]],
  ...(quick === undefined ? {} : { quick }),
  judge: ([figures], size) => {
    const { tcpMBps, publishedBytes, partitionSeconds, exit } = z
      .object({
        tcpMBps: z.number(),
        publishedBytes: z.number(),
        partitionSeconds: z.number().optional(),
        exit: exitCode
      })
      .parse(figures)
    // the figure `partitionMBps` leaves out what came while S was scored
    const rate = partitionSeconds === undefined ? 0 : (PARTITIONS_SHARE * publishedBytes) / partitionSeconds / 1e6
    // the small one is 7 MB, of which slow start is a large part, and the scoring of S runs beside it
    const least = size === 'quick' ? 0.5 : 0.8
    return [
      exitsWithZero('exit 0', 'join ends with 0', exit),
      {
        before,
        wanted: `partitions at ${least} of plain TCP or more`,
        measured: `${rate.toFixed(2)} of ${tcpMBps} MB/s: ${(rate / tcpMBps).toFixed(2)}`,
        met: rate >= least * tcpMBps
      }
    ]
  }
})

const members = z.object({ members: z.array(z.object({ exit: exitCode, seconds: z.number() })).length(3) })

const meanBps = z.object({ receivedBps: z.object({ mean: z.number() }), sentBps: z.object({ mean: z.number() }) })

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(2)} kB/s`

export const LINES: readonly Scenario[] = [
  wanFetch(40, '1.8 of 11.1 MB/s'),
  wanFetch(100, '1.0 of 9.6 MB/s', [['--rtt', '100', '--partitions', '2', '--image-bytes', '60000']]),
  wanFetch(200, '0.67 of 7.6 MB/s'),
  // at 100 Mbit/s both ends need half a core: where others need it too, this one still shows whether the line ever stands still
  wanFetch(200, 'not measured', undefined, 20),
  {
    name: 'duplicate-blocks',
    script: 'duplicate-blocks',
    runs: [[]],
    quick: [['--holders', '3', '--partitions', '2', '--image-bytes', '20000', '--timeout', '120']],
    judge: ([figures], size) => {
      const { exit, bytesPerByte } = z.object({ exit: exitCode, bytesPerByte: z.number().optional() }).parse(figures)
      // of small files records and handshakes are a larger part
      const most = size === 'quick' ? 1.15 : 1.05
      return [
        exitsWithZero('exit 0', 'merge --out from several holders ends with 0', exit),
        {
          before: '4.21',
          wanted: `at most ${most} bytes for each byte`,
          measured: bytesPerByte === undefined ? 'no file' : `${bytesPerByte}`,
          met: bytesPerByte !== undefined && bytesPerByte <= most
        }
      ]
    }
  },
  {
    name: 'slow-member',
    script: 'slow-member',
    patienceMs: 1,
    runs: [['--kbit', '0'], []],
    judge: ([equal, unequal]) => {
      const fast = (figures: unknown): number =>
        Math.max(
          ...members
            .parse(figures)
            .members.slice(0, 2)
            .map(({ seconds }) => seconds)
        )
      const ratio = fast(unequal) / fast(equal)
      return [
        {
          before: '144 and 170 s, not 73',
          wanted: 'two others take at most 1.1 of their time',
          measured: `${fast(unequal)} s, ${fast(equal)} s without: ${ratio.toFixed(2)}`,
          met: ratio <= 1.1
        },
        exitsWithZero('exit 6', 'the member at 256 kbit/s ends with 0', members.parse(unequal).members[2]?.exit)
      ]
    }
  },
  {
    name: 'late-joiner',
    script: 'late-joiner',
    runs: [[]],
    judge: ([figures]) => {
      const { merge, mergeOut } = z
        .object({
          merge: z.object({ seconds: duration, error: z.unknown() }),
          mergeOut: z.object({ exit: exitCode, seconds: duration })
        })
        .parse(figures)
      const ended: Finding = inTime('not in 280 s', 'merge --out of 1,024 partitions', mergeOut.seconds, 30)
      return [
        inTime('15.3 s', 'merge of 2,050 records', merge.seconds, 10),
        mergeOut.exit === 0 ? ended : { ...ended, measured: `exit ${exits(mergeOut.exit)}`, met: false }
      ]
    }
  },
  {
    name: 'idle-traffic',
    script: 'idle-traffic',
    runs: [
      ['--nodes', '8'],
      ['--nodes', '16']
    ],
    judge: figures => {
      const most = ({ receivedBps, sentBps }: z.infer<typeof meanBps>): number =>
        Math.max(receivedBps.mean, sentBps.mean)
      const [eight, sixteen] = z.tuple([meanBps, meanBps]).parse(figures).map(most) as [number, number]
      return [
        {
          before: '5.3 kB/s',
          wanted: '8 nodes: at most 2 kB/s each way',
          measured: kilobytes(eight),
          met: eight <= 2000
        },
        {
          before: '10.1 kB/s',
          wanted: '16 nodes: at most 2 kB/s each way',
          measured: kilobytes(sixteen),
          met: sixteen <= 2000
        }
      ]
    }
  }
]
