/** The log of a daemon as collectors read it, with everything switched on: every line an object, and nothing secret in it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { publishReportSchema } from '../../../node/api/reports.ts'
import { startCoOpt } from '../../../scripts/coopt-process.ts'
import { createProcessNodes } from '../../helpers/process-node.ts'
import { pictures } from '../../helpers/test-node.ts'

const lineSchema = z.looseObject({
  time: z.iso.datetime(),
  level: z.enum(['error', 'warn', 'info', 'debug', 'trace']),
  message: z.string()
})

test('a daemon at level trace logs objects without keys, tokens or paths of sources', async () => {
  await using nodes = await createProcessNodes()
  const { path: home } = await nodes.home('logged')
  // no --json: events go to the log as well
  let said = ''
  const listening = Promise.withResolvers<void>()
  const daemon = startCoOpt(['up', '--home', home, '--no-gateway'], {
    env: { COOPT_LOG: 'trace', COOPT_LOG_FORMAT: 'json' },
    onSaid: text => {
      said += text
      if (said.includes('listening')) listening.resolve()
    }
  })
  void daemon.ended.then(() => listening.reject(new Error(said)))
  try {
    await listening.promise
    const images = await pictures(32)
    await nodes.run(
      home,
      publishReportSchema,
      'publish',
      images,
      '--name',
      'logged',
      '--partitions',
      '2',
      '--shared',
      '16',
      '--dim',
      '16'
    )
    const { token } = z.object({ token: z.string() }).parse(JSON.parse(await readFile(join(home, 'api.json'), 'utf8')))
    const key = await readFile(join(home, 'identity.key'))
    await daemon.end()
    const lines = said.split('\n').filter(line => line.startsWith('{'))
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) lineSchema.parse(JSON.parse(line))
    for (const secret of [
      token,
      key.toString('base64'),
      key.toString('hex'),
      key.subarray(4, 36).toString('hex'),
      'secret-'
    ])
      expect(said).not.toContain(secret)
  } finally {
    await daemon.end()
  }
})
