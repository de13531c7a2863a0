/**
 * Namespaces of this machine on an emulated wide-area network: a switch in user space (`wanem.c` of the network lab, beside the checkout) whose ports
 * delay and limit frames. Needs Linux, root, iproute2, ethtool and gcc.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { InvalidInputError } from '../../src/errors.ts'

export interface EmulatedLine extends AsyncDisposable {
  /** Names of the namespaces; the address of the host of the i-th is 10.77.0.(i + 1) */
  readonly namespaces: readonly string[]
  /** Round trip between any two of them, ms, and bits a second of each, at each side of its port */
  set(rttMs: number, bitsPerSecond: number): Promise<void>
}

const LAB = resolve(import.meta.dirname, '../../../shared/lab')
const OFFLOADS = ['tx', 'rx', 'tso', 'gso', 'gro', 'sg'].flatMap(name => [name, 'off'])
const run = promisify(execFile)

/** `lab`: the folder of the network lab. Throws `InvalidInputError` where it is not there, and what a tool says. */
export async function emulatedLine(hosts: number, lab = LAB): Promise<EmulatedLine> {
  const source = join(lab, 'wanem.c')
  if (!existsSync(source)) throw new InvalidInputError(`--rtt needs the network lab (--lab): no ${source}`)
  const folder = await mkdtemp(join(tmpdir(), 'coopt-line-'))
  const undo = new AsyncDisposableStack()
  undo.defer(async () => await rm(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void undo.disposeAsync().finally(() => process.exit(1)))
  try {
    await run('gcc', ['-O2', '-o', join(folder, 'wanem'), source])
    const make = async (name: string): Promise<string> => {
      const full = `coopt${process.pid}-${name}`
      await run('ip', ['netns', 'add', full])
      undo.defer(async () => void (await run('ip', ['netns', 'del', full])))
      await run('ip', ['-n', full, 'link', 'set', 'lo', 'up'])
      return full
    }
    const hub = await make('hub')
    const namespaces: string[] = []
    for (let i = 0; i < hosts; i++) {
      const name = await make(`n${i}`)
      namespaces.push(name)
      await run('ip', `link add p${i} netns ${hub} type veth peer name eth0 netns ${name}`.split(' '))
      for (const [ns, device] of [
        [hub, `p${i}`],
        [name, 'eth0']
      ] as const) {
        // with offloads frames are larger than any on a wire, and rates come out wrong
        await run('ip', ['netns', 'exec', ns, 'ethtool', '-K', device, ...OFFLOADS])
        await run('ip', ['-n', ns, 'link', 'set', device, 'up'])
      }
      await run('ip', ['-n', name, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', 'eth0'])
      await run('ip', `-n ${name} route replace 10.77.0.0/24 dev eth0 congctl cubic`.split(' '))
    }
    const wanem = spawn('ip', ['netns', 'exec', hub, join(folder, 'wanem')], { stdio: ['pipe', 'pipe', 'inherit'] })
    undo.defer(() => void wanem.stdin.end())
    const answers = createInterface(wanem.stdout)[Symbol.asyncIterator]()
    const tell = async (command: string): Promise<void> => {
      wanem.stdin.write(`${command}\n`)
      const { value } = await answers.next()
      if (value !== 'ok') throw new Error(`the switch refuses "${command}"`)
    }
    for (const i of namespaces.keys()) await tell(`add p${i}`)
    return {
      namespaces,
      set: async (rttMs, bitsPerSecond) => {
        for (const i of namespaces.keys()) {
          await tell(`set p${i} delay ${Math.round((rttMs / 4) * 1000)}`)
          await tell(`set p${i} rate ${bitsPerSecond}`)
          await tell(`set p${i} queue ${Math.max(50, rttMs)}`)
        }
      },
      [Symbol.asyncDispose]: async () => await undo.disposeAsync()
    }
  } catch (error) {
    await undo.disposeAsync()
    throw error
  }
}
