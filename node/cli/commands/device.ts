/** coopt device: where models could run on this machine, and what the others lack. */
import { Command } from 'commander'
import type { DeviceReport } from '../../api/reports.ts'
import type { Invoke } from '../invoke.ts'
import { deviceName } from '../option-values.ts'
import { printReport } from '../output.ts'
import { fieldLines } from '../text-table.ts'

export function deviceCommand(invoke: Invoke): Command {
  return new Command('device')
    .description('show where models could run on this machine, and what is missing')
    .argument('[device]', 'look at this one only, such as cuda:1', deviceName)
    .action(async (only: string | undefined) => {
      await invoke(async invocation => {
        const report = await (await invocation.loadBackend()).listDevices(invocation.home, only)
        printReport(invocation, report, deviceLines(report))
        if (only !== undefined && report.devices.some(({ available }) => !available)) invocation.outcome('input')
      })
    })
}

// --- internal ---

function deviceLines({ runtime, configured, libraryFolder, devices }: DeviceReport): string {
  const fields: [name: string, value: string | undefined][] = [
    ['runtime', `ONNX Runtime ${runtime}`],
    ['libraries', libraryFolder],
    ['configured', configured]
  ]
  for (const { name, available, reason = 'unknown', needs } of devices) {
    fields.push([name, available ? 'available' : `no: ${reason}`])
    if (!available) fields.push(['', `needs ${needs}`])
  }
  return fieldLines(fields)
}
