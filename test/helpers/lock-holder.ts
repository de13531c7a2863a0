/**
 * Child process: waits for a line on stdin, then tries to lock a home. Prints `locked`, or `refused` and why. A holder creates a
 * file that must not exist, keeps it for a moment and gives the home back; with `keep` it holds on until it is killed.
 */
import { once } from 'node:events'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { lockHome } from '../../node/lock.ts'

const [home = '', mode = ''] = process.argv.slice(2)
process.stdout.write('ready\n')
await once(process.stdin, 'data')
try {
  const lock = await lockHome(home, { what: 'test holder' })
  const proof = join(home, 'only-one')
  if (mode !== 'keep') {
    await (await open(proof, 'wx')).close() // fails if another holder is at it
    await new Promise(resolve => setTimeout(resolve, 5))
    await unlink(proof)
  }
  process.stdout.write('locked\n')
  if (mode === 'keep') setInterval(() => {}, 1000)
  else await lock.release()
} catch (error) {
  process.stdout.write(`refused ${String(error)}\n`)
}
process.stdin.unref()
if (mode !== 'keep') process.exitCode = 0
