/** Child process: appends numbered records to a log for ever and prints each number once it is acknowledged as durable. */
import { openRecordLog } from '../../node/store/record-log.ts'

const [path = '', first = '0'] = process.argv.slice(2)
const log = await openRecordLog(path)
for (let i = Number(first); ; i += 4) {
  // four at a time, so that some share a sync and the kill finds several in flight
  await Promise.all(
    [i, i + 1, i + 2, i + 3].map(async n => {
      await log.append(new TextEncoder().encode(`record ${n} ${'x'.repeat(n % 1500)}`), { sync: n % 2 === 0 })
      process.stdout.write(`${n}\n`)
    })
  )
}
