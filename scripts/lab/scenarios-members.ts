/** Scenarios about members that sleep, are cut off, or are killed and come back. */
import { z } from 'zod'
import { duration, inTime, type Scenario } from './scenario.ts'

export const MEMBERS: readonly Scenario[] = [
  {
    name: 'suspended-member',
    script: 'suspended-member',
    runs: [[]],
    judge: ([figures]) => {
      const { noticedSeconds, connectedAgainSeconds, mergeError } = z
        .object({ noticedSeconds: duration, connectedAgainSeconds: duration, mergeError: z.unknown() })
        .parse(figures)
      const error = mergeError === null || mergeError === undefined ? undefined : JSON.stringify(mergeError)
      return [
        inTime('not measured', 'the others notice that a member sleeps', noticedSeconds, 60),
        inTime('not measured', 'awake, it is connected again', connectedAgainSeconds, 30),
        {
          before: 'not measured',
          wanted: 'it merges',
          measured: error ?? 'merged',
          met: error === undefined
        }
      ]
    }
  },
  {
    name: 'split-heal',
    script: 'split-heal',
    runs: [[]],
    judge: ([figures]) => {
      const { oneCidSeconds } = z.object({ oneCidSeconds: duration }).parse(figures)
      return [inTime('71 s, or not in 220 s', 'one CID after a split of 210 s', oneCidSeconds, 30)]
    }
  },
  {
    name: 'churn',
    script: 'churn',
    runs: [[]],
    judge: ([figures]) => {
      const { oneCidSeconds, workerFolders, dead } = z
        .object({ oneCidSeconds: duration, workerFolders: z.number(), dead: z.array(z.string()) })
        .parse(figures)
      return [
        inTime('59.6 to 114.6 s', 'one CID after 130 s of kills', oneCidSeconds, 60),
        {
          before: 'not measured',
          wanted: 'every member is there in the end',
          measured: dead.length === 0 ? 'yes' : `not ${dead.join(', ')}`,
          met: dead.length === 0
        },
        // in the folder for temporary files; those in a home's spool go when it starts again
        {
          before: '6',
          wanted: 'no worker directory is left over',
          measured: `${workerFolders}`,
          met: workerFolders === 0
        }
      ]
    }
  }
]
