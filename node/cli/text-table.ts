/** Plain text tables for terminals: columns as wide as their widest cell, numbers to the right, no colours. */

export type Cell = string | number | undefined

/** Header and rows as lines, without a line break at the end. An unknown cell is a dash. */
export function textTable(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [header, ...rows.map(row => row.map(cellText))]
  const isRight = header.map((_, column) => rows.some(row => typeof row[column] === 'number'))
  const widths = header.map((_, column) => Math.max(...cells.map(row => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        isRight[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
      )
      .join('  ')
      .trimEnd()
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...cells.slice(1).map(line)].join('\n')
}

/** `name  value` lines; values that are not known are left out. */
export function fieldLines(fields: readonly (readonly [name: string, value: Cell])[]): string {
  const present = fields.filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`).join('\n')
}

/** Enough of a peer id or CID to tell it from others; the end, because the beginnings are all alike. */
export function shortId(id: string): string {
  return id.length > 16 ? `…${id.slice(-10)}` : id
}

// --- internal ---

function cellText(cell: Cell): string {
  if (cell === undefined) return '-'
  if (typeof cell === 'string') return printable(cell)
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(4)
}

/** Names come from other peers: no control character of theirs reaches the terminal. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}
