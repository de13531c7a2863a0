// Keeps the live parts of a page as the node sees them. Without it the page is whole, and as old as its last load.
const address = document.body.dataset.events
const live = document.getElementById('live')

if (address !== undefined && live !== null) {
  const say = (text, state) => {
    live.dataset.state = state
    if (live.textContent !== text) live.textContent = text
  }

  const isSame = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.id === b.id

  /** Make `now` what `next` is, touching only what differs: focus, selection and what was opened stay. */
  const become = (now, next) => {
    for (const name of now.getAttributeNames())
      if (!next.hasAttribute(name) && !(name === 'open' && now.localName === 'details')) now.removeAttribute(name)
    for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value)
    const wanted = [...next.childNodes]
    for (const [i, node] of wanted.entries()) {
      const old = now.childNodes[i]
      if (old !== undefined && !isSame(old, node)) {
        const rest = [...now.childNodes].slice(i)
        const at = rest.findIndex(one => isSame(one, node))
        const isKept = old.nodeType === Node.ELEMENT_NODE && wanted.slice(i + 1).some(one => isSame(one, old))
        if (at > 0 && !isKept) for (const gone of rest.slice(0, at)) gone.remove()
      }
      const present = now.childNodes[i]
      if (present === undefined || !isSame(present, node)) now.insertBefore(document.adoptNode(node), present ?? null)
      else if (node.nodeType === Node.ELEMENT_NODE) become(present, node)
      else if (present.nodeValue !== node.nodeValue) present.nodeValue = node.nodeValue
    }
    while (now.childNodes.length > wanted.length) now.lastChild.remove()
  }

  const onPart = event => {
    const { id, html } = JSON.parse(event.data)
    const next = new DOMParser().parseFromString(html, 'text/html').body.firstElementChild
    const now = document.getElementById(id)
    if (now !== null && next !== null) become(now, next)
    document.body.dataset.parts = String(Number(document.body.dataset.parts ?? 0) + 1)
  }

  say('connecting', 'off')
  let source
  const follow = () => {
    if (source !== undefined) return
    source = new EventSource(address)
    source.addEventListener('open', () => say('live', 'on'))
    source.addEventListener('error', () => {
      say('not live: the node does not answer', 'off')
      // a refusal is final for an EventSource, not for us
      if (source?.readyState === EventSource.CLOSED) {
        source = undefined
        setTimeout(() => void (document.hidden || follow()), 5000)
      }
    })
    source.addEventListener('part', onPart)
  }
  // a browser opens six connections to one node: tabs that nobody sees do without
  const onVisibility = () => {
    if (!document.hidden) return follow()
    source?.close()
    source = undefined
  }
  document.addEventListener('visibilitychange', onVisibility)
  addEventListener('pagehide', () => source?.close())
  onVisibility()
}

// only pages from this machine or over TLS may write to the clipboard
const clipboard = navigator.clipboard
if (clipboard !== undefined) {
  document.body.classList.add('copies')
  document.addEventListener('click', event => {
    const button = event.target.closest?.('button[data-copy]')
    if (button === null || button === undefined) return
    const [label] = button.childNodes
    const say = text => void (label.nodeValue = text)
    clipboard.writeText(document.getElementById(button.dataset.copy)?.textContent ?? '').then(
      () => say('copied'),
      () => say('not allowed')
    )
  })
}
