/** Pages of a real gateway in a real browser, over overviews that the test makes up: everything at once, and changes one at a time. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Gateway } from '../../../node/gateway/gateway.ts'
import type { Monitor } from '../../../node/monitor/monitor.ts'
import type { NodeOverview } from '../../../node/monitor/overview.ts'
import { browserPath, complaints, openBrowser, openPage, violations } from '../../helpers/browser.ts'
import { gatewayOn, makeStore } from '../gateway/fixtures.ts'
import { busySwarm, emptySwarm, finishedSwarm, fullOverview, quietOverview } from './overviews.ts'

let overview = fullOverview
const listeners = new Set<() => void>()

function show(next: NodeOverview): void {
  overview = next
  for (const tell of listeners) tell()
}

const monitor: Monitor = {
  activity: { tap: (_, onEvent) => onEvent, ended: () => {}, of: () => ({ work: [], rowsPerSecond: 0 }) },
  metrics: undefined,
  overview: async () => overview,
  readiness: () => undefined,
  onChange: listener => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  close: () => {}
}

describe.skipIf(browserPath === undefined)('in a browser (skipped where there is no Chromium in PATH)', () => {
  let gateway: Gateway
  let browser: Browser
  let remove: () => Promise<void>

  beforeAll(async () => {
    const store = await makeStore()
    remove = store.remove
    gateway = await gatewayOn({ content: store.content, memberships: () => [], hasNetwork: false, monitor })
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser.close()
    await gateway.close()
    await remove()
  })

  async function open(path: string): Promise<Page> {
    const page = await openPage(browser)
    await page.goto(`${gateway.url}${path}`)
    await page.locator('#live[data-state=on]').waitFor()
    return page
  }

  test('what is opened or focused stays so while things come and go around it', async () => {
    const { pace: _, checks: __, ...calm } = busySwarm
    show({ ...fullOverview, swarms: [calm] })
    const page = await open(`/swarm/${busySwarm.manifest}`)
    const table = page.getByRole('region', { name: /^Partitions of/ })
    await page.locator('#partition-list summary').click()
    await table.waitFor()
    await table.focus()
    show({ ...fullOverview, swarms: [busySwarm] })
    await page.getByRole('heading', { name: 'What it waits for' }).waitFor()
    expect(await table.isVisible()).toBe(true)
    expect(await table.evaluate(element => element === element.ownerDocument.activeElement)).toBe(true)
    show({ ...fullOverview, swarms: [calm] })
    await page.getByRole('heading', { name: 'What it waits for' }).waitFor({ state: 'detached' })
    expect(await table.isVisible()).toBe(true)
    expect(await table.evaluate(element => element === element.ownerDocument.activeElement)).toBe(true)
  })

  test('a page says that it is not live when its node goes, and is live again when it is back', async () => {
    const store = await makeStore()
    const components = { content: store.content, memberships: () => [], hasNetwork: false, monitor }
    show(fullOverview)
    const first = await gatewayOn(components)
    const page = await openPage(browser)
    onTestFinished(async () => await store.remove())
    await page.goto(first.url)
    await page.locator('#live[data-state=on]').waitFor()
    await first.close()
    await page.locator('#live[data-state=off]').waitFor()
    const second = await gatewayOn(components, { port: first.port })
    onTestFinished(async () => await second.close())
    await page.locator('#live[data-state=on]').waitFor()
    expect(await page.locator('#live').textContent()).toBe('live')
  })

  const CASES = [
    ['everything', fullOverview, '/'],
    ['nothing', quietOverview, '/'],
    ['busy', fullOverview, `/swarm/${busySwarm.manifest}`],
    ['finished', fullOverview, `/swarm/${finishedSwarm.manifest}`],
    ['empty', fullOverview, `/swarm/${emptySwarm.manifest}`]
  ] as const

  test.each(CASES)('a node with %s is accessible and fits, light and dark', async (name, shown, path) => {
    show(shown)
    const page = await open(path)
    const complained = complaints(page, new URL(gateway.url).origin)
    for (const width of [375, 768, 1280]) {
      await page.setViewportSize({ width, height: 900 })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        // its rules are of structure or of colour, and a look takes seconds: each of both at one of these
        if ((width === 375) === (colorScheme === 'light'))
          expect(await violations(page), `${width} ${colorScheme}`).toEqual([])
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
        expect(overflow, `wider than a screen of ${width}`).toBeLessThanOrEqual(0)
        const folder = process.env['COOPT_SCREENSHOTS']
        if (folder !== undefined)
          await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true })
      }
    }
    expect(complained).toEqual([])
  })
})
