/**
 * The live parts of a page as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): one event for each part that is not
 * what was sent before, `{"id", "html"}`. A reader that is slow gets fewer events, and always the present state.
 */
import { sectionHtml, type Section } from './layout.ts'

/** Leases, rates and ages change without any event. Also what keeps a connection from looking idle. */
const REFRESH_MS = 5000
/** Records come in bursts; an eye follows two changes a second. */
const PAUSE_MS = 500
/** Of the browser, before it connects again */
const RETRY_MS = 2000

export interface LiveSource {
  /** The page as it is now; undefined when it is gone, which ends the stream */
  render(): Promise<readonly Section[] | undefined>
  onChange(listener: () => void): () => void
}

/** Ends without an error when `closed` is aborted. */
export async function* liveEvents({ render, onChange }: LiveSource, closed: AbortSignal): AsyncGenerator<Uint8Array> {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const sent = new Map<string, string>()
  let hasChanged = false
  let wake = (): void => {}
  const stop = onChange(() => {
    hasChanged = true
    wake()
  })
  const onClosed = (): void => wake()
  closed.addEventListener('abort', onClosed)
  const pause = async (ms: number, isOver: () => boolean): Promise<void> => {
    if (closed.aborted || isOver()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    wake = () => {
      if (closed.aborted || isOver()) resolve()
    }
    await promise
    clearTimeout(timer)
  }
  try {
    yield encode(`retry: ${RETRY_MS}\n\n`)
    while (!closed.aborted) {
      hasChanged = false
      const sections = await render()
      if (sections === undefined) return
      let text = ''
      for (const section of sections.filter(({ live }) => live)) {
        const html = sectionHtml(section).toString()
        if (sent.get(section.id) === html) continue
        sent.set(section.id, html)
        text += `event: part\ndata: ${JSON.stringify({ id: section.id, html })}\n\n`
      }
      yield encode(text === '' ? ': still here\n\n' : text)
      await pause(PAUSE_MS, () => false)
      await pause(REFRESH_MS, () => hasChanged)
    }
  } finally {
    stop()
    closed.removeEventListener('abort', onClosed)
  }
}
