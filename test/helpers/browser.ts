/** A real browser of the system, driven by playwright-core. Nothing is downloaded: where there is none, tests of pages are skipped by name. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Path of the first Chromium in PATH; undefined where there is none. */
export const browserPath: string | undefined = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap(folder => NAMES.map(name => join(folder, name)))
  .find(path => existsSync(path))

export async function openBrowser(): Promise<Browser> {
  if (browserPath === undefined) throw new Error('there is no Chromium in PATH')
  // its sandbox does not work for root, as whom containers run tests; the pages are ours
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return await chromium.launch({ executablePath: browserPath, args, timeout: PATIENCE_MS })
}

/** Ends a hang and measures nothing: busy machines take long to draw. */
const PATIENCE_MS = 200_000

/** A page of its own; closed when the test is over. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  onTestFinished(async () => await context.close())
  context.setDefaultTimeout(PATIENCE_MS)
  return await context.newPage()
}

/** What the page complained about so far: errors on the console, exceptions, and requests to anywhere but `origin`. */
export function complaints(page: Page, origin: string): string[] {
  const all: string[] = []
  page.on('console', message => void (message.type() === 'error' && all.push(message.text())))
  page.on('pageerror', error => void all.push(String(error)))
  page.on('request', request => void (new URL(request.url()).origin !== origin && all.push(request.url())))
  return all
}

/** Every image has arrived and was decoded; those that are loaded when they come into view, too. */
export async function imagesLoaded(page: Page): Promise<void> {
  await page.locator('img').evaluateAll(async images => {
    await Promise.all(
      (images as HTMLImageElement[]).map(async image => {
        image.loading = 'eager'
        await image.decode()
      })
    )
  })
}

interface AxeResults {
  violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[]
}

/** Violations of axe's rules, as text; best practices included. */
export async function violations(page: Page): Promise<string[]> {
  const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(source) // by the debugger: the page's policy keeps scripts out
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`)
  )
}
