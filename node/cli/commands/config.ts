/** coopt config: shows and changes the settings of the home. Needs no node: a running one reads its settings when it starts. */
import { Command } from 'commander'
import type { ConfigEntry } from '../../home/edit-config.ts'
import type { Invocation } from '../context.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { printReport } from '../output.ts'

export function configCommand(invoke: Invoke): Command {
  const command = new Command('config').description('show and change settings (reference: node/home/config.md)')
  command
    .command('show')
    .description('every setting, its value, default and meaning')
    .argument('[key]', 'a setting or a group of them, such as store', someText)
    .option('--changed', 'only what differs from the defaults', false)
    .action(async (key: string | undefined, { changed }: { changed: boolean }) => {
      await invoke(async invocation => {
        const { readEntries } = await import('../../home/edit-config.ts')
        const entries = (await readEntries(invocation.home, key)).filter(one => !changed || one.isSet)
        const text = await describe(entries)
        printReport(invocation, { home: invocation.home, settings: entries.map(plain) }, text || 'nothing is changed')
      })
    })
  command
    .command('get')
    .description('the value of one setting')
    .argument('<key>', 'such as store.maxBytes', someText)
    .action(async (key: string) => {
      await invoke(async invocation => {
        const { readEntries } = await import('../../home/edit-config.ts')
        const entries = await readEntries(invocation.home, key)
        const [only] = entries
        const isOne = only !== undefined && only.key === key
        const text = isOne ? lines(only.value) : entries.map(one => `${one.key} ${lines(one.value)}`).join('\n')
        printReport(invocation, isOne ? plain(only) : { settings: entries.map(plain) }, text)
      })
    })
  command
    .command('set')
    .description('change one setting')
    .argument('<key>', 'such as store.maxBytes', someText)
    .argument('<value...>', 'such as 40GB, true or 30s; several for a list')
    .action(async (key: string, values: string[]) => await change(key, values))
  command
    .command('unset')
    .description('go back to the default')
    .argument('<key>', 'such as store.maxBytes', someText)
    .action(async (key: string) => await change(key, undefined))
  return command

  async function change(key: string, values: readonly string[] | undefined): Promise<void> {
    await invoke(async invocation => {
      const { changeEntry } = await import('../../home/edit-config.ts')
      const entry = await changeEntry(invocation.home, key, values)
      printReport(invocation, plain(entry), await headline(entry))
      await tellRunning(invocation)
    })
  }
}

// --- internal ---

function plain({ key, value, fallback, isSet, takes, meaning }: ConfigEntry): object {
  return { key, value: value ?? null, default: fallback ?? null, isSet, takes, meaning }
}

/** For scripts: a list has one item a line, a value that is not set is an empty line. */
function lines(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join('\n')
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}

async function headline(entry: ConfigEntry): Promise<string> {
  const { valueText } = await import('../../home/config-keys.ts')
  const fallback = entry.isSet ? `(default: ${valueText(entry, entry.fallback)})` : '(default)'
  return `${entry.key} = ${valueText(entry, entry.value)}  ${fallback}`
}

async function describe(entries: readonly ConfigEntry[]): Promise<string> {
  const parts = await Promise.all(
    entries.map(async entry => `${await headline(entry)}\n    ${entry.meaning}\n    takes ${entry.takes}`)
  )
  return parts.join('\n')
}

async function tellRunning({ home, stderr }: Invocation): Promise<void> {
  const { connectApi } = await import('../../api/http/client.ts')
  if ((await connectApi(home)) !== undefined)
    stderr('coopt: a node runs on this home: restart it ("coopt down", "coopt up") for the change to take effect\n')
}
