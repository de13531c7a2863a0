/**
 * Checks the direction of imports, types included (ARCHITECTURE.md, "Layers"):
 *
 *   src <- protocols <- node <- scripts      and inside src: kernels <- foundation <- distribute <- optimize <- align <- publish <- merge
 *
 * that the rooms of node (its folders with everything below them) import earlier rooms only, that folders of protocols and scripts have no import
 * cycles, that src is pure (no Node modules, clock, randomness, network, console), and that files have no import cycles. Tests may import everything,
 * and nothing imports tests. Usage: node scripts/check-layers.ts [ROOT]
 */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'

const LAYERS = ['src', 'protocols', 'node', 'scripts'] as const
const STEPS = ['distribute', 'optimize', 'align', 'publish', 'merge'] as const

/** The rooms of node: each imports only those before it. `index`, `create-node` and `runtime`, directly in node, are `composition`. */
export const ROOMS = [
  'process',
  'store',
  'api',
  'network',
  'compute',
  'home',
  'content',
  'image-sources',
  'priors',
  'state',
  'merge',
  'checks',
  'swarms',
  'publish',
  'participant',
  'verify',
  'evaluate',
  'export',
  'upkeep',
  'monitor',
  'doctor',
  'gateway',
  'lab',
  'composition',
  'cli'
] as const

/** Globals that would bring time, randomness or I/O into src. */
const IMPURE =
  /(?<![\w$.'"`])(Date|process|console|fetch|setTimeout|setInterval|setImmediate|performance|crypto|Math\s*\.\s*random)\b(?!\s*:)/g

export interface Fault {
  file: string
  line: number
  message: string
}

interface Import {
  specifier: string
  line: number
}

interface SourceFile {
  /** Relative to the root, with forward slashes */
  path: string
  imports: Import[]
  code: string
}

/** All violations below `root`, by file and line. */
export async function checkLayers(root: string): Promise<Fault[]> {
  const files = new Map<string, SourceFile>()
  for (const layer of LAYERS) {
    for (const path of await sourceFiles(root, layer)) {
      const text = await readFile(join(root, path), 'utf8')
      files.set(path, { path, imports: findImports(text), code: blank(text, { strings: true }) })
    }
  }
  const faults = [...files.values()].flatMap(file => [
    ...importFaults(file, files),
    ...roomFaults(file),
    ...purityFaults(file)
  ])
  return [...faults, ...cycleFaults(files), ...folderCycleFaults(files)].sort(
    (a, b) => a.file.localeCompare(b.file) || a.line - b.line
  )
}

// --- internal ---

async function sourceFiles(root: string, layer: string): Promise<string[]> {
  const entries = await readdir(join(root, layer), { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    }
  )
  return entries
    .filter(entry => entry.isFile() && /\.m?[tj]s$/.test(entry.name))
    .map(entry => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
}

/** Static and dynamic imports, re-exports and `import('…')` types. */
function findImports(text: string): Import[] {
  const code = blank(text, { strings: false })
  const patterns = [
    /(?:^|[;\n])\s*(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])(?<specifier>[^'"\n]+)\1/g,
    /(?:^|[;\n])\s*import\s*(['"])(?<specifier>[^'"\n]+)\1/g,
    /\b(?:import|require)\s*\(\s*(['"`])(?<specifier>[^'"`\n]+)\1/g
  ]
  return patterns.flatMap(pattern =>
    [...code.matchAll(pattern)].map(match => ({
      specifier: match.groups?.['specifier'] ?? '',
      line: lineOf(code, match.index + match[0].length)
    }))
  )
}

function* importFaults(file: SourceFile, files: Map<string, SourceFile>): Generator<Fault> {
  const layer = layerOf(file.path)
  for (const { specifier, line } of file.imports) {
    const fault = (message: string): Fault => ({ file: file.path, line, message })
    if (!specifier.startsWith('.')) {
      if (layer === 0 && /^(node:|fs$|path$|os$|crypto$)/.test(specifier))
        yield fault(`src is pure, it does not import ${specifier}`)
      continue
    }
    const target = targetOf(file.path, specifier)
    if (target.startsWith('test/')) yield fault(`${target} is a test`)
    const targetLayer = layerOf(target)
    if (targetLayer > layer) {
      yield fault(`${LAYERS[layer]} does not import ${LAYERS[targetLayer]} (${target})`)
    } else if (layer === 0 && targetLayer === 0 && stepOf(target) > stepOf(file.path)) {
      yield fault(`${stepName(file.path)} does not import ${stepName(target)}, a later step (${target})`)
    }
    if (targetLayer >= 0 && !files.has(target))
      yield fault(`${specifier} does not exist; imports name the file with its extension`)
  }
}

/** Imports inside node that go to a later room, and files in a folder that the order does not name. */
function* roomFaults({ path, imports }: SourceFile): Generator<Fault> {
  if (!path.startsWith('node/')) return
  const own = roomOf(path)
  const index = ROOMS.findIndex(room => room === own)
  if (index < 0) yield { file: path, line: 1, message: `node/${own} is not among the rooms (scripts/check-layers.ts)` }
  for (const { specifier, line } of imports) {
    const target = specifier.startsWith('.') ? targetOf(path, specifier) : ''
    if (!target.startsWith('node/')) continue
    if (ROOMS.findIndex(room => room === roomOf(target)) > index)
      yield { file: path, line, message: `${own} does not import ${roomOf(target)}, a later room (${target})` }
  }
}

/** The folder below node; files directly in node compose the rest. */
function roomOf(path: string): string {
  const [, room = '', file] = path.split('/')
  return file === undefined ? 'composition' : room
}

/** Import cycles between folders of protocols and of scripts, direct or through others. Files directly in the layer count as a folder. */
function* folderCycleFaults(files: Map<string, SourceFile>): Generator<Fault> {
  const folderOf = (path: string): string =>
    path
      .split('/')
      .slice(0, 2)
      .join('/')
      .replace(/\/[^/]*\.[^/]*$/, '')
  const arrows = new Map<string, Map<string, { file: string; line: number }>>()
  for (const { path, imports } of files.values()) {
    const from = folderOf(path)
    if (!/^(protocols|scripts)\b/.test(from)) continue
    for (const { specifier, line } of imports) {
      if (!specifier.startsWith('.')) continue
      const to = folderOf(targetOf(path, specifier))
      if (to === from || to.split('/')[0] !== from.split('/')[0]) continue
      const out = arrows.get(from) ?? new Map<string, { file: string; line: number }>()
      arrows.set(from, out.set(to, { file: path, line }))
    }
  }
  const reaches = (from: string, goal: string, seen: Set<string>): boolean =>
    [...(arrows.get(from)?.keys() ?? [])].some(next => {
      if (next === goal) return true
      if (seen.has(next)) return false
      return reaches(next, goal, seen.add(next))
    })
  for (const [from, targets] of arrows) {
    for (const [to, place] of targets) {
      if (reaches(to, from, new Set()))
        yield { ...place, message: `a circle between folders: ${from} -> ${to} -> ${from}` }
    }
  }
}

function* purityFaults({ path, code }: SourceFile): Generator<Fault> {
  if (layerOf(path) !== 0) return
  for (const match of code.matchAll(IMPURE)) {
    yield { file: path, line: lineOf(code, match.index), message: `src is pure, it does not use ${match[1]}` }
  }
}

/** Depth-first search; each cycle is reported once, at the import that closes it. */
function* cycleFaults(files: Map<string, SourceFile>): Generator<Fault> {
  const done = new Set<string>()
  const faults: Fault[] = []
  const visit = (path: string, trail: string[]): void => {
    if (done.has(path)) return
    for (const { specifier, line } of files.get(path)?.imports ?? []) {
      if (!specifier.startsWith('.')) continue
      const target = targetOf(path, specifier)
      const start = [...trail, path].indexOf(target)
      if (start >= 0) {
        const circle = [...[...trail, path].slice(start), target].join(' -> ')
        faults.push({ file: path, line, message: `a circle of imports: ${circle}` })
      } else if (files.has(target)) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  yield* faults
}

function layerOf(path: string): number {
  return LAYERS.findIndex(layer => path.startsWith(`${layer}/`))
}

/** -1 for the foundation (files directly in src), -2 for its kernels; folders that are not a step count as the last. */
function stepOf(path: string): number {
  const [, step, file] = path.split('/')
  if (file === undefined) return -1
  if (step === 'kernels') return -2
  const index = STEPS.findIndex(name => name === step)
  return index < 0 ? STEPS.length : index
}

function stepName(path: string): string {
  return STEPS[stepOf(path)] ?? (stepOf(path) === -1 ? 'the foundation' : dirname(path))
}

function targetOf(from: string, specifier: string): string {
  return relative('/', resolve('/', dirname(from), specifier))
    .split(sep)
    .join('/')
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/**
 * The text with comments (and, if asked, the contents of strings) blanked out and line breaks kept. A scanner for our formatted sources, not a
 * parser: regular expression literals that contain quotes are recognised by the preceding character.
 */
function blank(text: string, { strings }: { strings: boolean }): string {
  const pattern =
    /\/\/[^\n]*|\/\*[^]*?\*\/|(?<=[=(,:!&|?{};\n]\s*|\breturn\s+)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return text.replaceAll(pattern, found => {
    const isString = /^['"`]/.test(found)
    if (isString && (!strings || found.startsWith('`'))) return isString && strings ? keepExpressions(found) : found
    return found.replaceAll(/[^\n]/g, ' ')
  })
}

/** Of a template only the `${expressions}` are code. */
function keepExpressions(template: string): string {
  let end = 0
  let kept = ''
  for (const match of template.matchAll(/\$\{[^}]*\}/g)) {
    kept += template.slice(end, match.index).replaceAll(/[^\n]/g, ' ') + match[0]
    end = match.index + match[0].length
  }
  return kept + template.slice(end).replaceAll(/[^\n]/g, ' ')
}

if (import.meta.main) {
  const faults = await checkLayers(resolve(process.argv[2] ?? '.'))
  for (const { file, line, message } of faults) console.error(`${file}:${line}: ${message}`)
  if (faults.length > 0) process.exitCode = 1
}
