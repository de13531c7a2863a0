/** fast-check arbitraries of what peers exchange: values, record bodies, records of whole swarms. */
import fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { cborCid, encodeCbor, pbCid, rawCid } from '../../src/codec.ts'
import { text, type Manifest, type Swarm } from '../../src/distribute/manifest.ts'
import type { Lease } from '../../src/publish/lease.ts'
import type { Alignment, Check, RecordBody, Result, Score, SignedRecord } from '../../src/publish/record.ts'
import { testCid, testPeer } from './swarm-factory.ts'
import { testAssessment, testQuality } from './test-evidence.ts'

/** The three kinds of CID that are used here. */
export const anyCid = (): fc.Arbitrary<CID> =>
  fc.tuple(fc.constantFrom(rawCid, pbCid, cborCid), fc.uint8Array({ maxLength: 4 })).map(([make, bytes]) => make(bytes))

/** Any value that dag-cbor can carry, a few levels deep. */
export const anyValue = (): fc.Arbitrary<unknown> =>
  fc.letrec(tie => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(x => (Object.is(x, -0) ? 0 : x)),
      fc.string({ unit: 'grapheme' }),
      fc.uint8Array({ maxLength: 40 }),
      anyCid(),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(
        fc.string({ unit: 'grapheme', maxLength: 8 }).filter(key => key !== '__proto__'),
        tie('value'),
        { maxKeys: 5, noNullPrototype: true }
      )
    )
  })).value

/** Text that a manifest or record takes, up to `max` UTF-16 units. */
export const printable = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: max }).filter(value => text(max).safeParse(value).success)

/** Names that try something: markup, YAML, paths, overlong, invisible. All pass as printable text. */
export const hostileName = (): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom(...HOSTILE_NAMES),
    printable(64),
    fc.string({
      unit: fc.constantFrom(...Array.from('"\'\\`|*_[]()<>{}#:-!&$%@~^=,;? \u00a0\u202e/.')),
      minLength: 1,
      maxLength: 64
    })
  )

export const HOSTILE_NAMES = [
  '../../../etc/passwd',
  '"; rm -rf ~ #',
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '[click](javascript:alert(1))',
  '![x](https://example.org/track.png)',
  '| a | b | c |',
  '`code` ```fence```',
  '--- ... --- !!js/function',
  '*alias &anchor %TAG',
  'license: mit',
  'it\'s "quoted" \\ and escaped \\n',
  '# heading',
  '$(id) ${id} $math$',
  '\u202egnp.exe',
  'https://example.org www.example.org a@example.org',
  '&lt;b&gt; &#60;'
]

const seq = (manifest: Manifest): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: manifest.quotas.recordsPerPeer - 1 })
const author = (): fc.Arbitrary<Uint8Array> => fc.integer({ min: 0, max: 4 }).map(i => testPeer(i).key)
const number = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true }).map(x => (Object.is(x, -0) ? 0 : x))

export const anyScore = ({ id, manifest }: Swarm): fc.Arbitrary<Score> =>
  fc
    .record({
      author: author(),
      seq: seq(manifest),
      prior: fc.record(
        {
          id: anyCid(),
          kind: fc.constantFrom('onnx' as const, 'human' as const, 'table' as const),
          name: hostileName(),
          dimension: fc.integer({ min: 1, max: 1_048_576 }),
          license: printable(128)
        },
        { requiredKeys: ['id', 'kind', 'name', 'dimension'], noNullPrototype: true }
      ),
      targets: anyCid(),
      present: fc.integer({ min: 2, max: manifest.shared.rows }),
      uniformValue: number(-2 * manifest.uniformity.t, 0)
    })
    .map(body => ({
      v: 1,
      swarm: id,
      type: 'score',
      ...body,
      present: body.prior.kind === 'onnx' ? manifest.shared.rows : body.present
    }))

export const anyResult = ({ id, manifest }: Swarm): fc.Arbitrary<Result> =>
  fc
    .record({
      author: author(),
      seq: seq(manifest),
      partition: fc.nat(manifest.partitions.length - 1),
      score: anyCid(),
      raw: anyCid(),
      share: fc.double({ min: 0, max: 1, noNaN: true })
    })
    .map(({ share, ...body }) => {
      const rows = manifest.partitions[body.partition]?.rows ?? 1
      return { v: 1, swarm: id, type: 'result', ...body, present: 1 + Math.floor(share * (rows - 1)) }
    })

export const anyAlignment = ({ id, manifest }: Swarm): fc.Arbitrary<Alignment> =>
  fc
    .record({
      author: author(),
      seq: seq(manifest),
      partition: fc.nat(manifest.partitions.length - 1),
      result: anyCid(),
      reference: anyCid(),
      shard: anyCid(),
      extra: fc.nat(1000),
      tree: fc.nat(1000),
      lambda: number(0, 1e9),
      looR2: number(-100, 1),
      looCosine: number(-1, 1)
    })
    .map(({ extra, tree, ...body }) => {
      const bytes = (manifest.partitions[body.partition]?.bytes ?? 0) + extra
      return { v: 1, swarm: id, type: 'alignment', ...body, bytes, dagBytes: bytes + tree }
    })

export const anyCheck = ({ id, manifest }: Swarm): fc.Arbitrary<Check> =>
  fc
    .record(
      {
        author: author(),
        seq: seq(manifest),
        partition: fc.nat(manifest.partitions.length - 1),
        alignment: anyCid(),
        result: anyCid(),
        shard: fc.constantFrom('sound' as const, 'wrong' as const),
        opinion: fc.record({
          by: fc.constantFrom('prior' as const, 'rerun' as const),
          score: anyCid(),
          seed: fc.uint8Array({ minLength: 32, maxLength: 32 }),
          rows: fc.constant(1),
          targets: anyCid(),
          z: number(-100, 100),
          expected: number(0, 100),
          verdict: fc.constantFrom('plausible' as const, 'implausible' as const, 'abstain' as const)
        })
      },
      {
        requiredKeys: ['author', 'seq', 'partition', 'alignment', 'result', 'shard'],
        noNullPrototype: true
      }
    )
    .map(body => ({ v: 1, swarm: id, type: 'check', ...body }))

export const anyBody = (swarm: Swarm): fc.Arbitrary<RecordBody> =>
  fc.oneof<fc.Arbitrary<RecordBody>[]>(anyScore(swarm), anyResult(swarm), anyAlignment(swarm), anyCheck(swarm))

export const anyLease = ({ id, manifest }: Swarm): fc.Arbitrary<Lease> =>
  fc
    .record({
      author: author(),
      partition: fc.nat(manifest.partitions.length - 1),
      task: fc.constantFrom('optimize' as const, 'align' as const),
      counter: fc.nat(),
      done: fc.nat(10),
      released: fc.boolean()
    })
    .map(body => ({ v: 1, swarm: id, type: 'lease', ...body }))

/**
 * The records of a whole swarm that hang together: scores, results that cite them, alignments to some of their targets. A few cite the
 * score of somebody else, a foreign reference or nothing, and sequence numbers clash now and then. Unsigned: for sets and views, which
 * never look at signatures. With checks, true and false ones, where the manifest asks for them.
 */
export const anyHistory = (swarm: Swarm): fc.Arbitrary<SignedRecord[]> =>
  fc
    .array(
      fc.noBias(
        fc.tuple(
          fc.nat(swarm.manifest.acceptance === undefined ? 5 : 12),
          fc.nat(4),
          fc.nat(99),
          fc.nat(1000),
          fc.nat(1000)
        )
      ),
      {
        maxLength: 80,
        size: 'max'
      }
    )
    .map(draws => {
      const { id, manifest } = swarm
      const scores: SignedRecord<Score>[] = []
      const results: SignedRecord<Result>[] = []
      const alignments: SignedRecord<Alignment>[] = []
      const all: SignedRecord[] = []
      for (const [kind, peer, seqOf, x, y] of draws) {
        const head = { v: 1 as const, swarm: id, author: testPeer(peer).key, seq: seqOf }
        const score = scores[x % Math.max(1, scores.length)]
        const result = results[x % Math.max(1, results.length)]
        if (kind < 1 || score === undefined) {
          const record = unsigned<Score>({
            ...head,
            type: 'score',
            prior: {
              id: testCid(`prior ${x % 7}`),
              kind: x % 5 === 0 ? 'human' : 'onnx',
              name: `prior ${x % 7}`,
              dimension: 64
            },
            targets: testCid(`targets ${x % 7}`),
            present: manifest.shared.rows,
            uniformValue: y % 6 === 0 ? -1 : testAssessment(testCid(`targets ${x % 7}`)).uniformValue
          })
          scores.push(record)
          all.push(record)
        } else if (kind < 3 || result === undefined) {
          const record = unsigned<Result>({
            ...head,
            author: y % 8 === 0 ? head.author : score.body.author,
            type: 'result',
            partition: y % manifest.partitions.length,
            score: y % 9 === 0 ? testCid('no score') : score.id,
            raw: testCid(`raw ${y}`),
            present: 1 + (y % 10)
          })
          results.push(record)
          all.push(record)
        } else if (kind > 5 && alignments.length > 0) {
          const alignment = alignments[x % alignments.length] as SignedRecord<Alignment>
          const own = scores.find(({ body }) => Buffer.compare(body.author, head.author) === 0) ?? score
          const verdict = (['plausible', 'plausible', 'implausible', 'abstain'] as const)[y % 4]
          all.push(
            unsigned<Check>({
              ...head,
              type: 'check',
              partition: alignment.body.partition,
              alignment: alignment.id,
              result: alignment.body.result,
              shard: y % 13 === 0 ? 'wrong' : 'sound',
              ...(verdict === undefined || y % 5 === 0
                ? {}
                : {
                    opinion: {
                      by: 'prior',
                      score: own.id,
                      seed: new Uint8Array(32).fill(x % 256),
                      rows: 1,
                      targets: testCid(`rows ${x} ${y}`),
                      z: y % 20,
                      expected: 10,
                      verdict
                    }
                  })
            })
          )
        } else {
          const cited = scores.find(s => s.id.equals(result.body.score))
          const likely = scores.reduce((a, b) => (valueOf(a) <= valueOf(b) ? a : b))
          const reference = (y % 4 === 0 ? score : likely).body.targets
          const quality = testQuality(cited?.body.targets ?? reference, reference)
          const bytes = (manifest.partitions[result.body.partition]?.bytes ?? 0) + 100
          alignments.push(
            unsigned<Alignment>({
              ...head,
              author: y % 3 === 0 ? head.author : result.body.author,
              type: 'alignment',
              partition: y % 11 === 0 ? 0 : result.body.partition,
              result: result.id,
              reference,
              shard: testCid(`shard ${x} ${y}`),
              bytes,
              dagBytes: bytes,
              lambda: 1,
              looR2: y % 7 === 0 ? quality.looR2 + 0.01 : quality.looR2,
              looCosine: quality.looCosine
            })
          )
          all.push(alignments.at(-1) as SignedRecord<Alignment>)
        }
      }
      return all
    })

function valueOf({ body: { targets } }: SignedRecord<Score>): number {
  const { admissible, uniformValue } = testAssessment(targets)
  return admissible ? uniformValue : 0
}

/** A record without a signature: what `openRecord` would have returned had it been signed. */
export function unsigned<T extends RecordBody>(body: T): SignedRecord<T> {
  const bytes = encodeCbor(body)
  const id = cborCid(bytes)
  return { id, key: id.toString(), body, bytes }
}
