/** SECURITY.md says which test shows each of its lines: they exist, under these titles. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const ROOT = new URL('..', import.meta.url)
const read = async (path: string): Promise<string> => await readFile(new URL(path, ROOT), 'utf8')

const lines = (await read('SECURITY.md')).split('\n').filter(line => /^\| (?:can|cannot) \|/.test(line))

test('every line of the security page names one test', () => {
  expect(lines.length).toBeGreaterThan(40)
  for (const line of lines) expect(line).toMatch(/^\| (?:can|cannot) \| [^|]+ \| `test\/[\w./-]+\.test\.ts`: [^|]+ \|$/)
})

test.each(lines.map(line => /`(?<file>test\/[^`]+)`: (?<title>.+) \|$/.exec(line)?.groups as Record<string, string>))(
  '$file has the test "$title"',
  async ({ file = '', title = '' }) => {
    const titles = [
      ...(await read(file)).matchAll(/(?<=[(\s])(['"`])((?:\\.|(?!\1)[^\n\\])+)\1,\s*(?:async\b|\(|\{|[a-z_]+ =>)/g)
    ]
    expect(titles.map(([, , found = '']) => found.replaceAll(/\\(.)/g, '$1'))).toContain(title)
  }
)
