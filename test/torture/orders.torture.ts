import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { figure, sizeOf } from '../helpers/effort.ts'

const run = promisify(execFile)
const ORDERS = sizeOf('COOPT_ORDERS', 50)
/** Other Nodes to ask, separated by colons; without it that of the system, where there is one */
const OTHERS = (process.env['COOPT_NODES'] ?? '/usr/bin/node:/usr/local/bin/node').split(':')

/** What Nodes before 22 lack: they cannot run CoOpt, but have to compute the same. */
const OLD_NODES = `Map.groupBy ??= (items, of) => {
  const groups = new Map()
  for (const item of items) groups.set(of(item), [...(groups.get(of(item)) ?? []), item])
  return groups
}`

const answerSchema = z.strictObject({ node: z.string(), records: z.number(), roots: z.array(z.string()) })

test(`a ledger with forks merges to one CID in ${ORDERS} orders, on every Node here`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coopt-orders-'))
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }))
  const script = join(folder, 'orders.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, '../helpers/order-digest.ts')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: OLD_NODES },
    logLevel: 'error'
  })
  const answers: z.infer<typeof answerSchema>[] = []
  for (const node of [process.execPath, ...OTHERS]) {
    const { stdout } = await run(node, [script, `${ORDERS}`]).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return { stdout: '' }
      throw error
    })
    if (stdout !== '') answers.push(answerSchema.parse(JSON.parse(stdout)))
  }
  const versions = [...new Set(answers.map(({ node }) => node))]
  figure('records', answers[0]?.records ?? 0)
  figure('Node', versions.join(' '))
  figure('CIDs', new Set(answers.flatMap(({ roots }) => roots)).size)
  for (const { node, roots } of answers) expect(roots, node).toEqual(answers[0]?.roots)
  expect(answers[0]?.roots).toHaveLength(1)
})
