/**
 * The page of a node, in a real browser, over real nodes: a publisher and two participants, one of them with a name that wants to be a script.
 * `COOPT_SCREENSHOTS=DIR` writes a picture of every page at every width.
 */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCoOptNode, initHome, type CoOptNode } from '../../../node/index.ts'
import { browserPath, complaints, imagesLoaded, openBrowser, openPage, violations } from '../../helpers/browser.ts'
import { bundledPrior, closeShared, pictures, shared, SHARED, temporaryFolder } from '../../helpers/test-node.ts'
import { askUrl } from '../../node/gateway/fixtures.ts'

const SWARM = '<script>alert("swarm")</script>'
const PRIOR = '<script>alert(1)<script>'
const WIDTHS = [375, 768, 1280] as const
const SCHEMES = ['light', 'dark'] as const

/** Ends a hang and measures nothing: a swarm of three nodes is half a minute of computing, and others compute, too */
const WHOLE_SWARM_MS = 900_000

const HOME = {
  network: { mdns: false, listen: ['/ip4/127.0.0.1/tcp/0'] },
  timing: { leaseMs: 3000, settleMs: 500, syncMs: 1000, discoveryMs: 2000, handoffMs: 20_000 }
}

let node: CoOptNode
let url: string
let manifest: string
let browser: Browser | undefined
let finished: Promise<unknown>

async function open(gateway = false): Promise<CoOptNode> {
  const home = await temporaryFolder()
  await initHome(home, HOME)
  return await createCoOptNode({ home, ...(gateway ? { gateway: {} } : {}) })
}

const nodes: CoOptNode[] = []
beforeAll(async () => {
  await shared(async () => {
    const publisher = await open()
    node = await open(true)
    const other = await open()
    nodes.push(other, node, publisher)
    url = node.gateway ?? ''
    const source = await pictures()
    // without checks: what is confirmed is shown by test/node/page
    const sizes = { partitions: 6, shared: SHARED, dimension: 80, quorum: 0 }
    const published = await publisher.publish(source, { name: SWARM, ...sizes })
    manifest = published.manifest
    const disguised = join(await temporaryFolder(), PRIOR)
    await cp(bundledPrior('superclass2'), disguised, { recursive: true })
    if (browserPath !== undefined) browser = await openBrowser()
    finished = Promise.all([
      node.join(published.invite, { prior: bundledPrior('resnet20'), once: true, threads: 1 }),
      other.join(published.invite, { prior: disguised, once: true, threads: 1 })
    ])
    finished.catch(() => {}) // told by the test that waits for it
  })
})
afterAll(async () => {
  await browser?.close()
  for (const one of nodes) await one.close()
  await closeShared()
})

const NAMES = ['node', 'swarm', 'dataset'] as const
const pathOf = (name: (typeof NAMES)[number]): string => (name === 'node' ? '/' : `/${name}/${manifest}`)

async function pageOf(options: BrowserContextOptions = {}): Promise<Page> {
  if (browser === undefined) throw new Error('no browser')
  return await openPage(browser, options)
}

async function show(page: Page, path: string): Promise<void> {
  await page.goto(`${url}${path}`)
  await page.locator('#live[data-state=on]').waitFor()
}

describe.skipIf(browserPath === undefined)('in a browser (skipped where there is no Chromium in PATH)', () => {
  test(
    'a swarm is followed from its first partition to its end without a reload',
    async () => {
      const page = await pageOf()
      const complained = complaints(page, new URL(url).origin)
      await page.goto(`${url}/`)
      await page.getByRole('link', { name: SWARM, exact: true }).click()
      await page.locator('#live[data-state=on]').waitFor()
      const list = page.locator('#partition-list')
      await list.locator('summary').click()
      await finished
      await page.locator('#now .tag', { hasText: 'complete' }).waitFor()
      await page.locator('#partition-list .state', { hasText: 'done' }).nth(5).waitFor()
      expect(await list.getAttribute('open'), 'what was opened stays open').not.toBeNull()
      expect(complained).toEqual([])
    },
    WHOLE_SWARM_MS
  )

  test.each(NAMES)(
    'the page of a %s is accessible and fits a phone, a tablet and a desk, light and dark',
    async name => {
      await finished
      const page = await pageOf()
      const complained = complaints(page, new URL(url).origin)
      await show(page, pathOf(name))
      await imagesLoaded(page)
      await page.locator('details').evaluateAll(all => all.forEach(one => one.setAttribute('open', '')))
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 })
        for (const colorScheme of SCHEMES) {
          await page.emulateMedia({ colorScheme })
          expect(await violations(page), `${width} ${colorScheme}`).toEqual([])
          const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
          expect(overflow, `wider than a screen of ${width}`).toBeLessThanOrEqual(0)
          const folder = process.env['COOPT_SCREENSHOTS']
          if (folder !== undefined)
            await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true })
        }
      }
      expect(complained).toEqual([])
    },
    WHOLE_SWARM_MS // as long: six looks of axe at a long page
  )

  test('names of strangers are text', async () => {
    await finished
    const page = await pageOf()
    let alerts = 0
    page.on('dialog', dialog => {
      alerts++
      void dialog.dismiss()
    })
    for (const path of NAMES.map(pathOf)) {
      await show(page, path)
      expect(await page.getByText(SWARM).count(), path).toBeGreaterThan(0)
      expect(await page.locator('script').count(), path).toBe(1)
    }
    expect(await page.getByText(PRIOR).count()).toBeGreaterThan(0)
    expect(alerts).toBe(0)
  })

  test('the keyboard reaches the content, the tables and what is folded', async () => {
    await finished
    const page = await pageOf()
    await show(page, `/swarm/${manifest}`)
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    await page.locator('#partition-list summary').focus()
    await page.keyboard.press('Space')
    await page.locator('#partition-list table').waitFor({ state: 'visible' })
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(`Partitions of ${SWARM}`)
  })

  test('without scripts everything is there but what changes', async () => {
    await finished
    const page = await pageOf({ javaScriptEnabled: false })
    await page.goto(`${url}/`)
    await page.getByText('not live: reload to see changes').waitFor()
    await page.getByRole('link', { name: SWARM, exact: true }).click()
    await page.getByRole('img', { name: /Partitions of .*: 6 done/ }).waitFor()
    await page.getByRole('cell', { name: 'elected' }).waitFor()
    await page.getByRole('link', { name: 'The dataset' }).click()
    await page.getByRole('heading', { name: 'How to load it' }).waitFor()
    await page.getByRole('link', { name: 'Open the directory' }).click()
    await page.getByRole('heading', { name: /Index of/ }).waitFor()
    expect(page.url()).toMatch(/\/ipfs\/bafy[a-z2-7]+\/$/)
  })
})

test('what the page says is what status says', async () => {
  await finished
  const { swarms } = await node.status()
  const [swarm] = swarms
  const page = (await askUrl(`${url}/swarm/${manifest}`)).body.toString()
  expect(page).toContain(swarm?.mergedCid)
  const figures = (swarm?.peers ?? []).flatMap(({ looCosine }) => looCosine ?? [])
  expect(figures).toHaveLength(2)
  for (const figure of figures) expect(page).toContain(figure.toFixed(3))
})

test('the page is for this machine: no other origin may read it, no name may be pointed at it, nothing can be sent', async () => {
  for (const path of ['/', '/events', '/assets/page.css']) {
    const answer = await askUrl(`${url}${path}`, { host: 'attacker.example' })
    expect(answer.status, path).toBe(421)
    expect((await askUrl(`${url}${path}`, {}, 'POST')).status, path).toBe(405)
    if (path === '/events') continue
    const { headers } = await askUrl(`${url}${path}`)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
    expect(headers['cross-origin-resource-policy']).toBe('same-origin')
  }
})
