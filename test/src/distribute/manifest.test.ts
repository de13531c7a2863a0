import { decode } from '@ipld/dag-cbor'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { beforeAll, describe, expect, test } from 'vitest'
import { cborCid, encodeCbor } from '../../../src/codec.ts'
import { DEFAULT_IMAGE_LIMITS } from '../../../src/distribute/image-limits.ts'
import {
  imageLimitsOf,
  isAdmitted,
  MAX_MANIFEST_BYTES,
  MAX_PARTITIONS,
  openManifest,
  sealManifest,
  type Manifest,
  type Swarm
} from '../../../src/distribute/manifest.ts'
import { seal } from '../../../src/envelope.ts'
import { InvalidManifestError } from '../../../src/errors.ts'
import { createRandomStream } from '../../../src/random.ts'
import { HOSTILE_NAMES, hostileName } from '../../helpers/arbitraries.ts'
import { makeManifest, makeSwarm, testCid, testPeer, testPublisher, verify } from '../../helpers/swarm-factory.ts'

let swarm: Swarm
beforeAll(async () => {
  swarm = await makeSwarm()
})

/** Open any value, well signed by the publisher. */
const open = async (value: unknown): Promise<Swarm> =>
  openManifest(await seal('coopt/1/manifest\0', value, testPublisher.sign), verify)
/** Expect that this value, well signed, is refused for this reason. */
const expectRefusal = async (value: unknown, reason: RegExp | string = ''): Promise<void> => {
  const opening = open(value)
  await expect(opening).rejects.toThrow(InvalidManifestError)
  await expect(opening).rejects.toThrow(reason)
}

describe('a manifest', () => {
  test('that is sealed opens as the same swarm', async () => {
    const opened = openManifest(swarm.bytes, verify)
    expect(opened).toEqual(swarm)
    expect(opened.manifest).toEqual(makeManifest())
    expect(opened.id.equals(cborCid(swarm.bytes))).toBe(true)
  })

  test('has the same id wherever and whenever it is sealed, and another as soon as anything differs', async () => {
    expect((await makeSwarm()).id.equals(swarm.id)).toBe(true)
    const ids = new Set([swarm.id.toString()])
    const changes: Partial<Manifest>[] = [
      { name: 'x' },
      { dimension: 5 },
      { seed: new Uint8Array(32) },
      { license: 'MIT' }
    ]
    for (const change of changes) ids.add((await makeSwarm(change)).id.toString())
    expect(ids.size).toBe(5)
  })

  test('keeps the id that it had when this test was written', () => {
    // a known answer: another value means that swarms made by earlier versions can no longer be joined
    expect(swarm.id.toString()).toBe('bafyreid4e33hymncyqrfb6otlep6exfvegvyow6nwempgmgx3tc3wzmv2u')
  })

  test('says how large an image may be, or means the usual limits', async () => {
    const images = { maxPixels: 1000, maxBytes: 2000 }
    const { bytes } = await sealManifest({ ...makeManifest(), images }, testPublisher.sign)
    expect(imageLimitsOf(openManifest(bytes, verify).manifest)).toEqual(images)
    expect(imageLimitsOf(makeManifest())).toBe(DEFAULT_IMAGE_LIMITS)
  })

  test('signed by another than the publisher that it names is refused', async () => {
    const bytes = await seal('coopt/1/manifest\0', makeManifest(), testPeer('mallory').sign)
    expect(() => openManifest(bytes, verify)).toThrow('not that of the publisher')
  })

  test('signed for another purpose is refused', async () => {
    const bytes = await seal('coopt/1/record\0', makeManifest(), testPublisher.sign)
    expect(() => openManifest(bytes, verify)).toThrow('not that of the publisher')
  })

  test('with any one bit flipped is refused', () => {
    for (let bit = 0; bit < swarm.bytes.byteLength * 8; bit++) {
      const flipped = swarm.bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(() => openManifest(flipped, verify), `bit ${bit}`).toThrow(InvalidManifestError)
    }
  })

  test('cut short, with trailing bytes, too large or of random bytes is refused', () => {
    const { bytes } = swarm
    expect(() => openManifest(bytes.subarray(0, -1), verify)).toThrow(InvalidManifestError)
    expect(() => openManifest(Buffer.concat([bytes, Uint8Array.of(0)]), verify)).toThrow(InvalidManifestError)
    expect(() => openManifest(new Uint8Array(MAX_MANIFEST_BYTES + 1), verify)).toThrow(/at most/)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), random => {
        expect(() => openManifest(random, verify)).toThrow(InvalidManifestError)
      })
    )
  })

  test('of the greatest number of partitions fits into its limit, of one more is refused', async () => {
    const partitions = Array.from({ length: MAX_PARTITIONS }, (_, i) => ({
      cid: testCid(i),
      rows: 1_000_000,
      bytes: 1_000_000_000,
      dagBytes: 1_000_100_000
    }))
    const admission = Array.from({ length: 4096 }, () => testPeer('alice').key)
    const largest = await makeSwarm({ partitions, admission })
    expect(largest.bytes.byteLength).toBeLessThan(MAX_MANIFEST_BYTES)
    expect(openManifest(largest.bytes, verify).manifest.partitions).toHaveLength(MAX_PARTITIONS)
    await expectRefusal(makeManifest({ partitions: [...partitions, ...partitions.slice(0, 1)] }), /partitions/)
  })

  test('keeps printable names as they are, however hostile', async () => {
    await fc.assert(
      fc.asyncProperty(hostileName(), async name => {
        expect((await open(makeManifest({ name, license: name }))).manifest).toMatchObject({ name, license: name })
      })
    )
    for (const name of HOSTILE_NAMES) expect((await open(makeManifest({ name }))).manifest.name).toBe(name)
  })

  test.each([
    ['empty', ''],
    ['of 129 characters', 'x'.repeat(129)],
    ['of a megabyte', 'x'.repeat(1_000_000)],
    ['with a line break', 'a\nb'],
    ['with a carriage return', 'a\rb'],
    ['with NUL', 'a\0b'],
    ['with an escape sequence', '\u001b]0;title\u0007'],
    ['with a C1 control', 'a\u009bb'],
    ['with a noncharacter, which YAML forbids', 'a\uffff'],
    ['with a line separator', 'a\u2028b'],
    ['with a paragraph separator', 'a\u2029b']
  ])('with a name %s is refused', async (_, name) => {
    await expectRefusal(makeManifest({ name }), /name/)
    await expectRefusal(makeManifest({ license: name }), /license/)
    await expectRefusal(
      makeManifest({ referenceFeatures: { ...makeManifest().referenceFeatures, source: name } }),
      /source/
    )
  })

  test('with a name that would not come back as it was signed is not sealed', async () => {
    // UTF-8 decoders drop a byte order mark, encoders replace half a surrogate pair
    for (const name of ['\ufeffa', 'a\ufeff', 'a\ud800']) {
      await expect(makeSwarm({ name })).rejects.toThrow(InvalidManifestError)
    }
  })

  const m = makeManifest()
  const [file] = m.partitions as [Manifest['partitions'][number]]
  const identity = CID.createV1(0x55, createDigest(0, Uint8Array.of(1)))
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['rows that do not add up', { samples: 39 }, /hold 40 rows, the manifest says 39/],
    ['no partitions', { partitions: [], samples: 1 }, /partitions/],
    ['an empty partition', { partitions: [{ ...file, rows: 0 }], samples: 1 }, /rows/],
    ['a partition without bytes', { partitions: [{ ...file, bytes: 0 }], samples: 10 }, /bytes/],
    [
      'a partition of a terabyte',
      { partitions: [{ ...file, bytes: 2 ** 40, dagBytes: 2 ** 40 }], samples: 10 },
      /bytes/
    ],
    ['a partition with a smaller tree than file', { partitions: [{ ...file, dagBytes: 1 }], samples: 10 }, /tree/],
    ['a partition with an endless tree', { partitions: [{ ...file, dagBytes: 2 ** 53 - 1 }], samples: 10 }, /tree/],
    ['a partition with an identity CID', { partitions: [{ ...file, cid: identity }], samples: 10 }, /cid/],
    ['a partition with a name', { partitions: [{ ...file, name: '../x' }], samples: 10 }, /name/],
    ['15 shared rows', { shared: { ...m.shared, rows: 15 } }, /rows/],
    ['a shared set of a terabyte', { shared: { ...m.shared, bytes: 2 ** 40, dagBytes: 2 ** 40 } }, /bytes/],
    ['a shared set with an endless tree', { shared: { ...m.shared, dagBytes: 2 ** 53 - 1 } }, /tree/],
    ['features with an endless tree', { referenceFeatures: { ...m.referenceFeatures, dagBytes: 2 ** 53 - 1 } }, /tree/],
    ['features of the wrong length', { referenceFeatures: { ...m.referenceFeatures, bytes: 511 } }, /shape needs 512/],
    ['a dimension of one', { dimension: 1 }, /dimension/],
    ['a dimension of 4,097', { dimension: 4097 }, /dimension/],
    ['a fractional dimension', { dimension: 4.5 }, /dimension/],
    ['matrices over 64 MiB', { dimension: 4096, shared: { ...m.shared, rows: 16_384 } }, /shared rows|over|shape/],
    ['images of no pixels', { images: { maxPixels: 0, maxBytes: 9 } }, /maxPixels/],
    ['images that no participant could decode', { images: { maxPixels: 2 ** 30, maxBytes: 9 } }, /maxPixels/],
    ['images over 64 MiB', { images: { maxPixels: 9, maxBytes: 2 ** 27 } }, /maxBytes/],
    ['the usual limits of images', { images: DEFAULT_IMAGE_LIMITS }, /limits of images that are left out/],
    ['a seed of 31 bytes', { seed: new Uint8Array(31) }, /seed/],
    ['a publisher of 33 bytes', { publisher: new Uint8Array(33) }, /publisher/],
    ['a t of zero', { uniformity: { t: 0, centred: false } }, /t/],
    ['an unknown election policy', { election: { ...m.election, policy: 'lottery' } }, /policy/],
    ['a margin below zero', { election: { ...m.election, margin: -1 } }, /margin/],
    ['no ridge strengths', { alignment: { ...m.alignment, grid: [] } }, /grid/],
    ['a ridge strength of zero', { alignment: { ...m.alignment, grid: [0] } }, /grid/],
    ['a gate that is not a number', { gate: { minZ: '5' } }, /minZ/],
    ['a floor that nothing reaches', { alignment: { ...m.alignment, minLooZ: 1e9 } }, /minLooZ/],
    [
      'the gate of a version before 1.0',
      { gate: { ridge: 0.3, minR2: 0.1, neighbours: 5, minNeighbourLift: 2, minEffectiveRank: 1.5 } },
      /"gate.ridge", which is from a version before 1.0 .* publish the dataset again/
    ],
    [
      'the floors of a version before 1.0',
      { alignment: { grid: [1], minLooR2: 0.05, minLooCosine: 0.1 } },
      /"alignment.minLooR2", which is from a version before 1.0/
    ],
    ['a quota of no records', { quotas: { ...m.quotas, recordsPerPeer: 0 } }, /recordsPerPeer/],
    ['a quota of a terabyte', { quotas: { ...m.quotas, recordBytes: 2 ** 40 } }, /recordBytes/],
    ['an empty admission list', { admission: [] }, /admission/],
    ['an admission list of short keys', { admission: [new Uint8Array(31)] }, /admission/],
    [
      'a quorum of nobody, which is what leaving it out means',
      { acceptance: { quorum: 0, voters: 'priors' } },
      /quorum/
    ],
    ['each member as a checker of an open swarm', { acceptance: { quorum: 1, voters: 'members' } }, /listed/],
    ['checkers of whatever kind', { acceptance: { quorum: 1, voters: 'friends' } }, /voters/],
    ['an empty list of checkers', { acceptance: { quorum: 1, voters: 'priors', checkers: [] } }, /checkers/],
    ['an unknown field', { coordinator: 'x' }, /coordinator/],
    ['another version', { v: 2 }, /v/],
    ['another protocol', { protocol: '2.0.0' }, /protocol/],
    ['another kind', { kind: 'manifest' }, /kind/]
  ])('with %s is refused, whether opened or sealed', async (_, change, reason) => {
    const value = { ...makeManifest(), ...change }
    await expectRefusal(value, reason)
    await expect(sealManifest(value, testPublisher.sign)).rejects.toThrow(InvalidManifestError)
  })

  test('is never accepted in any of 100 hostile forms, well signed', async () => {
    const stream = createRandomStream('hostile manifests')
    const pick = <T>(list: readonly T[]): T => list[stream.below(list.length)] as T
    const hostile = [
      null,
      -1,
      1e300,
      2 ** 53 - 1,
      2n ** 63n,
      '',
      '../../etc/passwd',
      'a\0b',
      'x'.repeat(10_000),
      [],
      {},
      [[]],
      true,
      new Uint8Array(0),
      new Uint8Array(100_000),
      identity,
      { __proto__: null, length: 1e9 }
    ]
    /** Every place in the value where something else could stand. */
    const places = (value: unknown): { holder: Record<string, unknown>; key: string }[] =>
      typeof value !== 'object' || value === null || value instanceof Uint8Array || CID.asCID(value) !== null
        ? []
        : Object.keys(value).flatMap(key => {
            const holder = value as Record<string, unknown>
            return [{ holder, key }, ...places(holder[key])]
          })
    let refused = 0
    for (let i = 0; i < 100; i++) {
      const value: unknown = decode(encodeCbor(makeManifest({ license: 'MIT', admission: [testPeer('alice').key] })))
      const { holder, key } = pick(places(value))
      const before = holder[key]
      const kind = stream.below(3)
      if (kind === 0 && key !== 'license') delete holder[key]
      else if (kind === 1 && !Array.isArray(holder)) holder[`${key}\u0000`] = before
      else holder[key] = pick(hostile.filter(h => typeof h !== typeof before || h === null || h === 'a\0b' || h === -1))
      if (Array.isArray(holder) && kind === 0) holder.splice(Number(key), 1, null)
      await expectRefusal(value).catch((cause: unknown) => {
        throw new Error(`mutation ${i}: ${key} of ${typeof before} became ${String(holder[key])}`, { cause })
      })
      refused++
    }
    expect(refused).toBe(100)
  })
})

test('isAdmitted takes everybody into an open swarm and only listed keys into a closed one', () => {
  const [alice, bob, mallory] = ['alice', 'bob', 'mallory'].map(name => testPeer(name).key) as [
    Uint8Array,
    Uint8Array,
    Uint8Array
  ]
  expect(isAdmitted(makeManifest(), mallory)).toBe(true)
  const closed = makeManifest({ admission: [alice, bob] })
  expect([alice, bob, mallory].map(key => isAdmitted(closed, key))).toEqual([true, true, false])
})
