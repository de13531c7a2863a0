/**
 * coopt pin, coopt unpin: what gc keeps. With --service a remote pinning service keeps it too; the command ends when the service has it.
 */
import { Command } from 'commander'
import type { PinOptions } from '../../api/upkeep.ts'
import type { Invoke } from '../invoke.ts'
import { someText } from '../option-values.ts'
import { createReporter, printReport, printResult } from '../output.ts'
import { fieldLines } from '../text-table.ts'
import { byteText } from '../../process/quantities.ts'
import { UsageError } from '../usage-error.ts'

interface Options {
  service?: string
  tokenEnv?: string
  name?: string
}

export function pinCommand(invoke: Invoke): Command {
  return new Command('pin')
    .description('keep a CID and everything below it, here and with a remote pinning service')
    .argument('<cid>', 'root of a merged dataset, or anything else', someText)
    .option(
      '--service <url>',
      'remote pinning service (IPFS Pinning Service API): https, or http on loopback',
      someText
    )
    .option('--token-env <name>', 'environment variable that holds the access token of the service', someText)
    .option('--name <name>', 'name of the pin at the service', someText)
    .action(async (cid: string, { service, tokenEnv, name }: Options) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const options: PinOptions = {
          ...(name === undefined ? {} : { name }),
          ...(service === undefined ? {} : { service: { url: service, token: tokenOf(invocation.env, tokenEnv) } })
        }
        if (service === undefined && tokenEnv !== undefined) throw new UsageError('--token-env needs --service URL')
        const reporter = createReporter(invocation)
        const report = await withApi(invocation, { network: true, onEvent: reporter.onEvent }, (api, call) =>
          api.pin(cid, options, call)
        ).finally(reporter.stop)
        const text = fieldLines([
          ['pinned', report.cid],
          ['size', `${byteText(report.bytes)} in ${report.blocks} blocks`],
          ['service', report.service && `${report.service.url} (request ${report.service.request})`]
        ])
        printResult(invocation, report, text)
      })
    })
}

export function unpinCommand(invoke: Invoke): Command {
  return new Command('unpin')
    .description('stop pinning a CID')
    .argument('<cid>', 'CID that was pinned', someText)
    .action(async (cid: string) => {
      await invoke(async invocation => {
        const { withApi } = await import('../session.ts')
        const wasPinned = await withApi(invocation, { network: false }, (api, call) => api.unpin(cid, call))
        printReport(invocation, { cid, wasPinned }, wasPinned ? `unpinned  ${cid}` : `${cid} was not pinned`)
      })
    })
}

// --- internal ---

/** By the name of a variable: an argument would be in the shell's history and in the list of processes. */
function tokenOf(env: Readonly<Record<string, string | undefined>>, name: string | undefined): string {
  if (name === undefined) throw new UsageError('--service needs --token-env NAME, the variable that holds its token')
  const token = env[name]?.trim()
  if (token === undefined || token === '') throw new UsageError(`the environment variable ${name} is not set`)
  return token
}
