/** Scenarios about being reached: addresses, NATs, a publisher that is gone or moves. */
import { z } from 'zod'
import { duration, exitCode, exitsWithZero, inTime, type Scenario } from './scenario.ts'

export const REACH: readonly Scenario[] = [
  {
    name: 'link-check',
    script: 'link-check',
    runs: [['--bytes', '20000000']],
    quick: [['--bytes', '4000000']],
    judge: ([figures], size) => {
      const { pingMs, tcpMBps } = z.object({ pingMs: z.number().nullable(), tcpMBps: z.number() }).parse(figures)
      // of 12.5; slow start is most of a short transfer
      const least = size === 'quick' ? 1 : 5
      return [
        {
          before: 'the lab itself',
          wanted: 'a round trip of 100 to 150 ms',
          measured: `${pingMs} ms`,
          met: pingMs !== null && pingMs >= 99 && pingMs <= 150
        },
        {
          before: 'the lab itself',
          wanted: `at least ${least} MB/s over TCP`,
          measured: `${tcpMBps} MB/s`,
          met: tcpMBps >= least
        }
      ]
    }
  },
  {
    name: 'public-address',
    script: 'public-address',
    runs: [[]],
    quick: [[]],
    judge: ([figures]) => {
      const { addresses, exit } = z.object({ addresses: z.array(z.string()).nullish(), exit: exitCode }).parse(figures)
      const found = addresses?.find(address => address.startsWith('/ip4/5.9.0.1/'))
      return [
        {
          before: 'loopback only',
          wanted: 'a public address in the invite',
          measured: found?.replace(/\/p2p\/.*$/, '') ?? 'none',
          met: found !== undefined
        },
        exitsWithZero('exit 6', 'join from outside ends with 0', exit)
      ]
    }
  },
  {
    name: 'relay-listen',
    script: 'relay-listen',
    runs: [['--wait', '45']],
    quick: [['--wait', '15']],
    judge: ([figures]) => {
      const { started, startSeconds, cpuSeconds, options } = z
        .object({
          started: z.boolean(),
          startSeconds: z.number(),
          cpuSeconds: z.number().optional(),
          options: z.object({ wait: z.number() })
        })
        .parse(figures)
      // of a process that has ended there is no CPU time to read, and one that has said why it will not start may still be ending
      const isRefused = !started && (cpuSeconds === undefined || startSeconds < options.wait)
      const measured = started ? 'comes up' : isRefused ? 'refused' : `busy for ${cpuSeconds} s`
      return [
        {
          before: 'never starts, busy',
          wanted: 'refused, or comes up',
          measured,
          met: started || isRefused
        }
      ]
    }
  },
  {
    name: 'nat-pair',
    script: 'nat-pair',
    runs: [['--observer']],
    judge: ([figures]) => {
      const { merge, completed } = z
        .object({ completed: z.boolean(), merge: z.object({ exit: exitCode, seconds: duration }) })
        .parse(figures)
      return [
        {
          before: 'not measured',
          wanted: 'two members behind NATs finish',
          measured: completed ? 'complete' : 'not complete',
          met: completed
        },
        exitsWithZero('exit 6', 'merge --out without the publisher ends with 0', merge.exit),
        inTime('115 s', 'it ends', merge.seconds, 30)
      ]
    }
  },
  {
    name: 'dead-publisher',
    script: 'dead-publisher',
    runs: [[]],
    quick: [['--partitions', '2']],
    judge: ([figures]) => {
      const { membersInvite, restartedConnectedSeconds } = z
        .object({ membersInvite: z.object({ exit: exitCode }), restartedConnectedSeconds: duration })
        .parse(figures)
      return [
        exitsWithZero("fails with the publisher's", "join with a member's invite ends with 0", membersInvite.exit),
        inTime('not measured', 'a restarted member finds another', restartedConnectedSeconds, 30)
      ]
    }
  },
  {
    name: 'address-change',
    script: 'address-change',
    runs: [[]],
    judge: ([figures]) => {
      const { reconnectedSeconds, publisherSaysNew } = z
        .object({ reconnectedSeconds: duration, publisherSaysNew: z.boolean() })
        .parse(figures)
      return [
        inTime('not in 309 s', 'connected with the new address', reconnectedSeconds, 60),
        {
          before: 'not measured',
          wanted: 'the publisher says its new address',
          measured: publisherSaysNew ? 'yes' : 'no',
          met: publisherSaysNew
        }
      ]
    }
  }
]
