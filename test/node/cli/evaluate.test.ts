/** coopt evaluate without a node: what is asked for, what is printed, and that the answer passes the local API's schema. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { evaluateReportSchema } from '../../../node/api/evaluate.ts'
import { evaluationText } from '../../../node/cli/evaluation-text.ts'
import { rawCid } from '../../../src/codec.ts'
import { type fakeApi } from '../../helpers/fake-api.ts'
import { evaluateReport } from '../../helpers/fake-reports.ts'
import { runCommand } from '../../helpers/run-command.ts'

const CID = rawCid(new Uint8Array([7])).toString()

async function run(args: string[], answers: Parameters<typeof fakeApi>[0] = {}) {
  const home = await mkdtemp(join(tmpdir(), 'coopt-cli-'))
  onTestFinished(async () => await rm(home, { recursive: true }))
  return await runCommand(['evaluate', ...args, '--home', home], answers)
}

test('paths are made absolute, and only what is given is asked for', async () => {
  const { code, api } = await run([CID, '--labels', 'l.csv'])
  expect(code).toBe(0)
  expect(api.calls.map(({ name, args }) => [name, ...args])).toEqual([['evaluate', CID, { labels: '/work-dir/l.csv' }]])
  const all = ['--images', 'a.tar', '/b', '--test', 't.tar', '--test-labels', 't.csv', '--prior', 'p.onnx', '--report']
  const { api: other } = await run([
    CID,
    '--labels',
    'l.csv',
    ...all,
    'r.html',
    '--results',
    'r.json',
    '--seed',
    '7',
    '--rows',
    '50'
  ])
  expect(other.calls[0]?.args[1]).toEqual({
    labels: '/work-dir/l.csv',
    images: ['/work-dir/a.tar', '/b'],
    test: ['/work-dir/t.tar'],
    testLabels: '/work-dir/t.csv',
    priors: ['/work-dir/p.onnx'],
    report: '/work-dir/r.html',
    results: '/work-dir/r.json',
    seed: 7,
    rows: 50
  })
})

test('a missing option is a wrong command, a wrong CID a wrong input', async () => {
  expect(await run([CID])).toMatchObject({ code: 2, err: expect.stringContaining('--labels') as string })
  expect(await run([CID, '--labels', 'l.csv', '--rows', '0'])).toMatchObject({ code: 2 })
  expect(await run(['nonsense', '--labels', 'l.csv'])).toMatchObject({ code: 4 })
})

test('people get tables, programs events and the whole report', async () => {
  const { out } = await run([CID, '--labels', 'l.csv'])
  expect(out).toMatch(/^ridge +50\.00 % +± 5\.00 +ridge 0\.1 +16 rows of the dataset$/m)
  expect(out).toMatch(/^total variation, at least +0\.9000 +0\.2000 +0\.3000 +0\.0100$/m)
  expect(out).toMatch(/^uniform value and probe +Spearman -0\.5000/m)
  expect(out).toMatch(/^note: 10 rows/m)
  const json = await run([CID, '--labels', 'l.csv', '--json'], {
    evaluate: async (_, options, call) => {
      call?.onEvent?.({ type: 'evaluating', step: 'rows', done: 256, total: 1000 })
      return { ...evaluateReport, seed: options.seed ?? 0 }
    }
  })
  const lines = json.out
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
  expect(lines[0]).toEqual({ type: 'evaluating', step: 'rows', done: 256, total: 1000 })
  const { type, ...report } = lines[1] as { type: string }
  expect(type).toBe('result')
  expect(evaluateReportSchema.parse(report)).toEqual(evaluateReport)
})

test('what cannot be known is a dash or a sentence', () => {
  const { variation, cosine, rows } = evaluateReport.inconsistency
  const text = evaluationText({
    ...evaluateReport,
    inconsistency: { variation, cosine, rows, pairs: 0 },
    correlation: {}
  })
  expect(text).toContain('no two participants with enough shared rows in common')
  expect(text).not.toContain('Spearman')
  expect(text).toMatch(/vgg_small +-2\.0000 +- +- +- +- +- +45 +-$/m)
})
