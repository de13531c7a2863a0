/**
 * READ FIRST: `coopt doctor` looks at everything that keeps nodes from working and says what to do. It opens no home and changes nothing, so it runs
 * beside a node and on a home that no node can open.
 */
import { connectApi } from '../api/http/client.ts'
import type { DeviceSettings } from '../compute/inference/accelerator.ts'
import { chooseDevice } from '../compute/inference/devices.ts'
import { runsOnText } from '../compute/inference/runs-on-text.ts'
import { checkPrior } from '../priors/check-prior.ts'
import { ok, fail, failed, shareable, warn, worst, type Finding, type Level } from './finding.ts'
import { clock, disk, homeAndConfig, memory, versions } from './machine.ts'
import { inviteAddresses, ports } from './reach.ts'

export interface DoctorReport {
  /** The worst of all findings */
  readonly level: Level
  readonly findings: readonly Finding[]
}

export interface DoctorOptions {
  readonly invite?: string
  /** A model to look at, as `coopt prior check` takes it */
  readonly prior?: string
}

export async function examine(home: string, { invite, prior }: DoctorOptions): Promise<DoctorReport> {
  const findings: Finding[] = [versions()]
  const look = async (about: string, examine: () => Promise<readonly Finding[]>): Promise<void> => {
    try {
      findings.push(...(await examine()))
    } catch (error) {
      findings.push(failed(about, error))
    }
  }
  const { findings: ofHome, config } = await homeAndConfig(home)
  findings.push(...ofHome)
  await look('clock', async () => [await clock(home)])
  if (config !== undefined) {
    findings.push(memory(config))
    const { inference } = config
    if (inference.device !== undefined && inference.device !== 'cpu')
      await look('device', async () => [ok('device', runsOnText(await chooseDevice(undefined, inference)))])
    await look('disk', async () => await disk(home, config))
    await look('network', async () => {
      const daemon = await connectApi(home)
      const network = await ports(config, daemon !== undefined)
      return [...network, ...(daemon === undefined ? [ok('node', 'no node runs on this home')] : await running(daemon))]
    })
  }
  if (invite !== undefined) await look('invite', async () => await inviteAddresses(invite))
  if (prior !== undefined) await look('model', async () => await model(prior, config?.inference))
  const shown = findings.map(shareable)
  return { level: worst(shown), findings: shown }
}

// --- internal ---

async function running(daemon: NonNullable<Awaited<ReturnType<typeof connectApi>>>): Promise<Finding[]> {
  const [{ peer, swarms, opening = [] }, peers] = await Promise.all([daemon.status(), daemon.peers()])
  const connected = peers.filter(one => one.connected).length
  const text = `${peer} is up, in ${swarms.length} swarms, connected to ${connected} peers`
  const waiting = opening.map(id =>
    warn('swarm', `${id} waits for content that no member sends`, 'Ask its publisher to run "coopt up".')
  )
  const refused = swarms.flatMap(({ name, peers: rows }) =>
    rows.flatMap(row =>
      row.peer === peer && row.refusals.length > 0
        ? [
            fail(
              'prior',
              `${row.prior} is refused in "${name}": ${row.refusals.join('; ')}`,
              'Check it with "coopt prior check MODEL --shared INVITE".'
            )
          ]
        : []
    )
  )
  const alone = connected === 0 && swarms.some(({ complete }) => !complete)
  return [
    alone
      ? warn('node', text, 'Run "coopt doctor INVITE" to try the addresses of the swarm\'s invite.')
      : ok('node', text),
    ...waiting,
    ...refused
  ]
}

async function model(prior: string, machine: DeviceSettings = {}): Promise<Finding[]> {
  const { name, kind, dimension, refusals, imagesPerSecond, assumed = [] } = await checkPrior(prior, { machine })
  const speed = imagesPerSecond === undefined ? '' : `, ${imagesPerSecond.toFixed(1)} images a second`
  const text = `${name} (${kind}), ${dimension} dimensions${speed}`
  if (refusals.length > 0) return [fail('model', `${text}: ${refusals.join('; ')}`, 'See "coopt prior check".')]
  return [
    ok('model', text),
    ...assumed.map(what =>
      warn('model', what, 'Name the settings with --preprocessing, --output or --key if this is wrong.')
    )
  ]
}
