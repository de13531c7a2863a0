/**
 * What checks cost an honest swarm: the same swarm of processes (swarm.ts) without and with checks, in turns.
 *
 *     node scripts/bench/checks.ts --images PATH --prior DIR [--prior DIR …] [--partitions 16] [--shared 1000] [--dim 256] [--runs 1] [--no-netns]
 *
 * Prints seconds from the invite until the last participant has left, bytes that all sent (network namespaces: Linux and root; `--no-netns` leaves them
 * out), and the ratios. Rows of inference are in the simulated swarms of `npm run reproduce -- --figure liars`.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { z } from 'zod'
import { textTable } from '../../node/cli/text-table.ts'

const { values } = parseArgs({
  options: {
    images: { type: 'string', multiple: true, default: [] },
    prior: { type: 'string', multiple: true, default: [] },
    partitions: { type: 'string', default: '16' },
    shared: { type: 'string', default: '1000' },
    dim: { type: 'string', default: '256' },
    runs: { type: 'string', default: '1' },
    'no-netns': { type: 'boolean', default: false }
  }
})

const reportSchema = z.object({
  seconds: z.object({ work: z.number() }),
  processes: z.array(z.object({ sent: z.number().optional() }))
})

interface Measured {
  readonly seconds: number
  /** MiB that all processes sent */
  readonly sent: number | undefined
}

const without: Measured[] = []
const withChecks: Measured[] = []
for (let run = 0; run < Number(values.runs); run++) {
  without.push(await swarm(0))
  withChecks.push(await swarm(1))
}
const [plain, checked] = [median(without), median(withChecks)]
const cells = (name: string, { seconds, sent }: Measured): (string | undefined)[] => [
  name,
  seconds.toFixed(1),
  sent?.toFixed(1)
]
console.log(
  textTable(
    ['swarm', 'seconds', 'MiB sent'],
    [
      cells('without checks (--quorum 0)', plain),
      cells('with (--quorum 1)', checked),
      [
        'ratio',
        (checked.seconds / plain.seconds).toFixed(2),
        plain.sent === undefined || checked.sent === undefined ? undefined : (checked.sent / plain.sent).toFixed(2)
      ]
    ]
  )
)

// --- internal ---

async function swarm(quorum: number): Promise<Measured> {
  const { partitions, shared, dim } = values
  const sizes = ['--partitions', partitions, '--shared', shared, '--dim', dim, '--quorum', `${quorum}`]
  const args = [
    ...sizes,
    ...values.images.flatMap(path => ['--images', path]),
    ...values.prior.flatMap(path => ['--prior', path]),
    ...(values['no-netns'] ? [] : ['--netns'])
  ]
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, 'swarm.ts'), ...args],
    { maxBuffer: 2 ** 26 }
  )
  process.stderr.write(`quorum ${quorum}\n${stderr}`)
  const { seconds, processes } = reportSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
  const sent = processes.map(one => one.sent)
  const total = sent.every(bytes => bytes !== undefined)
    ? sent.reduce((sum, bytes) => sum + bytes, 0) / 2 ** 20
    : undefined
  return { seconds: seconds.work, sent: total }
}

function median(all: readonly Measured[]): Measured {
  const found = all.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(all.length / 2)]
  if (found === undefined) throw new Error('--runs must be 1 or more')
  return found
}
