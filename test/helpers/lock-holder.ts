/**
 * Child process: waits for a line on stdin, then tries to lock a home. Prints `locked`, or `refused` and why. A holder creates a
 * file that must not exist, writes it to the disk and gives the home back; with `keep` it holds on until it is killed.
 */
import { once } from 'node:events'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { lockHome } from '../../node/home/lock.ts'

const [home = '', mode = ''] = process.argv.slice(2)
process.stdout.write('ready\n')
await once(process.stdin, 'data')
try {
  const lock = await lockHome(home, { what: 'test holder' })
  const proof = join(home, 'only-one')
  if (mode !== 'keep') {
    const file = await open(proof, 'wx') // fails if another holder is at it
    await file.writeFile('mine')
    await file.sync() // long enough for another holder to come in between
    await file.close()
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
