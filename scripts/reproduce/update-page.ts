/** RESULTS.md and results.json after a run of some figures: their sections are replaced, all others, and those of other programs, stay as they are. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { InvalidInputError } from '../../src/errors.ts'
import { joinKept, splitKept } from '../kept-sections.ts'
import { claimsText, type ResultsJson } from './markdown.ts'

export interface Page {
  /** RESULTS.md */
  readonly text: string
  readonly json: ResultsJson
}

const resultsJsonSchema = z.looseObject({
  tables: z.record(
    z.string(),
    z.looseObject({ title: z.string(), verdicts: z.array(z.looseObject({ outcome: z.string() })) })
  )
})

/** `order`: keys of all figures; sections of others come last. Throws `InvalidInputError` if a table of `before` has no section. */
export function updatePage(before: Page, made: Page, order: readonly string[]): Page {
  const { rest, kept } = splitKept(before.text)
  const [head, old] = sectionsOf(rest)
  const [, fresh] = sectionsOf(made.text)
  const keys = [...new Set([...order, ...Object.keys(before.json.tables), ...Object.keys(made.json.tables)])]
  const tables: Record<string, ResultsJson['tables'][string]> = {}
  const parts: string[] = []
  for (const key of keys) {
    const table = made.json.tables[key] ?? before.json.tables[key]
    if (table === undefined) continue
    const section = (made.json.tables[key] === undefined ? old : fresh).get(table.title)
    if (section === undefined)
      throw new InvalidInputError(
        `results.json has a table "${table.title}", RESULTS.md has no such section: make all figures again`
      )
    tables[key] = table
    parts.push(section)
  }
  const claims = claimsText(Object.values(tables).flatMap(({ verdicts }) => verdicts))
  return {
    text: joinKept(`${[head.replace(/^Of \d+ claims .*$/m, claims), ...parts].join('\n\n')}\n`, kept),
    json: { ...before.json, tables }
  }
}

/** What an earlier run wrote; undefined if it wrote nothing. */
export async function readPage(page: string, json: string): Promise<Page | undefined> {
  const read = async (path: string): Promise<string | undefined> =>
    await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
  const [text, tables] = [await read(page), await read(json)]
  return text === undefined || tables === undefined
    ? undefined
    : { text, json: resultsJsonSchema.parse(JSON.parse(tables)) }
}

// --- internal ---

/** The part before the first table's section, and the sections by their titles. */
function sectionsOf(text: string): readonly [string, ReadonlyMap<string, string>] {
  const [introduction = '', how = '', ...rest] = text.trimEnd().split(/^(?=## )/m)
  const sections = rest.map(part => part.trimEnd())
  return [`${introduction}${how}`.trimEnd(), new Map(sections.map(part => [part.slice(3, part.indexOf('\n')), part]))]
}
