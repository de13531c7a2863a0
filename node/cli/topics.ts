/** `coopt help TOPIC`: what is not about one command. The package holds no Markdown, so what an operator needs at night is here. */
import { EXIT } from '../api/exit-codes.ts'
import { fieldLines } from './text-table.ts'

export interface Topic {
  readonly name: string
  readonly about: string
  text(): string
}

export const TOPICS: readonly Topic[] = [
  {
    name: 'exit-codes',
    about: 'what the exit code of a command says',
    text: () => fieldLines(Object.values(EXIT).map(({ code, meaning }) => [`${code}`, meaning]))
  },
  {
    name: 'environment',
    about: 'variables that coopt reads',
    text: () =>
      fieldLines([
        ['COOPT_HOME', 'home directory, unless --home is given'],
        ['XDG_DATA_HOME', 'parent of the home directory, unless one of the two is given'],
        ['COOPT_LOG', 'levels of the log on stderr: warn,swarms=debug'],
        ['COOPT_LOG_FORMAT', 'json: one object a line'],
        ['COOPT_PRIOR_TOKEN', 'bearer token for a model server (--prior http://...)']
      ])
  },
  {
    name: 'home',
    about: 'what is in the home directory, and what may be deleted',
    text: () =>
      fieldLines([
        ['identity.key', 'the private key of this node; never on two machines at once'],
        ['config.json', 'changed settings (coopt config show)'],
        ['keys/', 'names of datasets: keys and the last record of each'],
        ['swarms/', 'of each swarm: manifest, signed records, sequence number, unfinished work'],
        ['blocks/', 'content; coopt gc frees what nothing needs'],
        ['pins.json', 'what gc keeps besides the swarms'],
        ['datastore/', 'known peers; may be deleted while no node runs'],
        ['backup-N/', 'files as they were before an upgrade; may be deleted']
      ])
  },
  {
    name: 'backup',
    about: 'saving a node, moving it, and why it never runs twice',
    text: () =>
      `coopt backup FILE saves identity, keys, settings, sequence numbers and own records, also of a running node.
Whoever has the file is this node: it is readable by you only, keep it so. Blocks are not in it.
coopt restore FILE makes a home from it in a new directory (--home).

Two processes with one identity sign different records under one number. Everybody sees that, and nothing
of this identity counts any more. So a home that was restored or copied first waits for a member, asks
whether its identity is in use, and listens (timing.listenMs) before it publishes. If it is in use, the
newer process ends with exit code ${EXIT.twin.code} and publishes nothing: stop one of the two, then start the other again.
If the machine it came from is gone for good and no member can be reached, set timing.listenMs to 0.`
  },
  {
    name: 'disk',
    about: 'how much space a node takes, and what happens when it runs out',
    text: () =>
      `Before work starts, a node says what the swarm may need and what is free, and refuses what cannot fit.
store.maxBytes limits the blocks, store.minFreeBytes is left to the machine. Above 90 % of the one, or below
twice the other, a running node frees what no swarm, pin or name needs (store.collect); coopt gc does so at once.
When the disk is low, nothing new is stored, nothing is lost, and work goes on once there is space.`
  }
]

export function topicNamed(name: string): Topic | undefined {
  return TOPICS.find(topic => topic.name === name)
}
