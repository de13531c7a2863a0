/** coopt help: of a command, or about a topic. */
import { Command } from 'commander'
import type { Invoke } from '../invoke.ts'
import { printReport } from '../output.ts'
import { TOPICS, topicNamed } from '../topics.ts'
import { UsageError } from '../usage-error.ts'

export function helpCommand(invoke: Invoke): Command {
  const command = new Command('help')
    .description(`explain a command, or one of: ${TOPICS.map(({ name }) => name).join(', ')}`)
    .argument('[topic...]', 'a command such as prior check, or a topic')
  return command.action(async (words: string[]) => {
    await invoke(async invocation => {
      const program = command.parent as Command
      const topic = topicNamed(words.join(' '))
      if (topic !== undefined) return printReport(invocation, { topic: topic.name, text: topic.text() }, topic.text())
      const found = commandAt(program, words)
      if (found === undefined)
        throw new UsageError(
          `there is neither a command nor a topic "${words.join(' ')}"; topics are ${TOPICS.map(({ name }) => name).join(', ')}`
        )
      const text = found.helpInformation()
      const topics = TOPICS.map(({ name, about }) => `  ${name.padEnd(14)}${about}`).join('\n')
      const all = found === program ? `${text}\nTopics (coopt help TOPIC):\n${topics}` : text.trimEnd()
      printReport(invocation, { command: words.join(' '), text: all }, all)
    })
  })
}

// --- internal ---

function commandAt(program: Command, words: readonly string[]): Command | undefined {
  let command: Command | undefined = program
  for (const word of words) command = command?.commands.find(one => one.name() === word)
  return command
}
