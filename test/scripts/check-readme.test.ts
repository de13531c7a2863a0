import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkReadme } from '../../scripts/check-readme.ts'
import { EXIT } from '../../node/api/exit-codes.ts'

const table = Object.values(EXIT)
  .map(({ code, meaning }) => `| ${code} | ${meaning} |`)
  .join('\n')
const scripts = new Set(['demo', 'lint'])
const withCommands = (...lines: string[]): string => `${table}\n\n\`\`\`sh\n${lines.join('\n')}\n\`\`\`\n`

describe('check-readme', () => {
  it('accepts commands, options and scripts that exist', () => {
    const readme = withCommands(
      'npm ci && npm run demo',
      'coopt --help',
      'npx coopt join coopt1… --prior priors/a --once --home b # takes a while',
      'COOPT_HOME=b coopt prior check p.onnx --image x.png',
      '# a remark'
    )
    expect(checkReadme(readme, scripts)).toEqual([])
  })

  it('finds commands, options, scripts and exit codes that do not exist', () => {
    expect(checkReadme(withCommands('coopt start'), scripts)).toEqual(['coopt start: no such command'])
    expect(checkReadme(withCommands('coopt join x --forever'), scripts)).toEqual([
      'coopt join x --forever: join has no option --forever'
    ])
    expect(checkReadme(withCommands('npm run fly'), scripts)).toEqual(['npm run fly: package.json has no script "fly"'])
    expect(checkReadme(withCommands('curl example.org'), scripts)).toEqual([
      'curl example.org: neither npm nor coopt, so it is not checked'
    ])
    expect(checkReadme(withCommands('npm ci').replace('| 75 |', '| 76 |'), scripts)).toHaveLength(1)
    expect(checkReadme(table, scripts)).toEqual(['no ```sh block'])
  })

  it('holds for the README, which stays within 150 lines', async () => {
    const root = join(import.meta.dirname, '..', '..')
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    const metadata = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(checkReadme(readme, new Set(Object.keys(metadata.scripts)))).toEqual([])
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(150)
  })
})
