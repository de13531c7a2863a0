/** RFC 4180 without line breaks in fields; undefined when quotes are misplaced. */
export function splitLine(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',').map(f => f.trim())
  const fields: string[] = []
  for (let at = 0; at <= text.length;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at)
      const end = comma < 0 ? text.length : comma
      fields.push(text.slice(at, end).trim())
      at = end + 1
      continue
    }
    let field = ''
    for (at++; ; at++) {
      const quote = text.indexOf('"', at)
      if (quote < 0) return undefined
      field += text.slice(at, quote)
      at = quote + 1
      if (text[at] !== '"') break
      field += '"'
    }
    fields.push(field)
    if (at < text.length && text[at] !== ',') return undefined
    at++
  }
  return fields
}
