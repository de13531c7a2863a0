/** Writes node/home/config.md from the schema of `config.json`. A test checks that it is current. Usage: node scripts/make-config-reference.ts */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { configKeys, valueText, type ConfigKey } from '../node/home/config-keys.ts'

export const CONFIG_REFERENCE = join(import.meta.dirname, '..', 'node/home/config.md')

/** The page as text. */
export function configReference(keys: readonly ConfigKey[] = configKeys()): string {
  const groups = Map.groupBy(keys, ({ key }) => key.split('.').slice(0, -1).join('.'))
  const tables = [...groups].map(([group, list]) => {
    const rows = list.map(one => `| \`${one.key}\` | ${cell(code(one))} | ${cell(one.takes)} | ${cell(one.meaning)} |`)
    return `## ${group === '' ? 'Others' : `\`${group}\``}\n\n| key | default | takes | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Configuration

Written by \`node scripts/make-config-reference.ts\` from the schema in [config.ts](config.ts); do not edit.

\`config.json\` in the home holds what differs from the defaults. \`coopt config show\` prints every key with its value, \`coopt config set KEY VALUE\`
changes one, \`coopt config unset KEY\` goes back to the default. A running node reads its settings when it starts. An unknown key or a wrong value is an
error (exit code 4).

${tables.join('\n')}`
}

// --- internal ---

/** Their defaults follow the memory of the machine (node/network/limits.ts), so the page must not state those of one. */
const BY_MEMORY = new Set(['network.limits.maxStreamWindowSize', 'network.limits.maxReadBufferLength'])

const code = (key: ConfigKey): string => {
  if (BY_MEMORY.has(key.key)) return 'by memory'
  return key.fallback === undefined ? 'not set' : `\`${valueText(key, key.fallback)}\``
}
const cell = (text: string): string => text.replaceAll('|', '\\|')

if (import.meta.main) await writeFile(CONFIG_REFERENCE, configReference())
