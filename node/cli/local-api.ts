/** The entry points of the command line (backend.ts) on a home of this machine. */
import type { PriorCheckOptions } from '../api/options.ts'
import type { PackOptions, PackReport } from '../priors/bundle/pack-report.ts'
import { bundledPrior } from '../priors/bundled.ts'
import type { PriorReport } from '../api/reports.ts'
import type { InitOptions } from '../api/options.ts'
import type { InitReport } from '../api/reports.ts'
import type { LocalApi, OpenOptions } from './backend.ts'
import { initHome as makeHome } from '../home/init-home.ts'
import type { SimulateOptions } from '../lab/simulate/simulate.ts'

export async function initHome(home: string, { listen, mdns = true }: InitOptions): Promise<InitReport> {
  const network = { ...(listen === undefined ? {} : { listen: [...listen] }), ...(mdns ? {} : { mdns }) }
  return await makeHome(home, { network })
}

export async function openLocal(home: string, options: OpenOptions): Promise<LocalApi> {
  // late: this pulls in the whole network stack, which `coopt init` has no use for
  const { createCoOptNode } = await import('../create-node.ts')
  const node = await createCoOptNode({ home, what: options.network ? 'a coopt node' : 'a coopt command', ...options })
  if (options.network)
    options.onEvent?.({
      type: 'listening',
      peer: node.peer,
      addresses: node.addresses(),
      ...(node.gateway === undefined ? {} : { gateway: node.gateway })
    })
  return node
}

export async function checkPrior(prior: string, { image, output }: PriorCheckOptions): Promise<PriorReport> {
  const { checkPrior: check } = await import('../priors/check-prior.ts')
  return await check(prior, { ...(image === undefined ? {} : { image }), ...(output === undefined ? {} : { output }) })
}

export async function simulate(plan: string, options: Omit<SimulateOptions, 'untrainedPrior'>): Promise<void> {
  const { simulate: run } = await import('../lab/simulate/simulate.ts')
  await run(plan, { ...options, untrainedPrior: bundledPrior('untrained') })
}

export async function packPrior(prior: string, options: PackOptions): Promise<PackReport> {
  const { packBundle } = await import('../priors/bundle/pack-bundle.ts')
  return await packBundle(prior, options)
}
