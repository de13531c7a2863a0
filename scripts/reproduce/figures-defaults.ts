/** The section on how the alignment is fitted. It does not train students. */
import { ACCURACY, column, NAME, scored, spread, verdict, type Figure, type Row } from './figure.ts'
import { VARIANTS } from './alignment-variants.ts'
import { BEST, PRIORS, single } from './swarms.ts'

/** m twice and eight times n = 128 */
const SHARED = [250, 1000] as const

export const alignment: Figure = {
  key: 'alignment',
  swarms: PRIORS.map(single),
  students: [],
  async section(results) {
    const rows: Row[] = []
    for (const m of SHARED) {
      const seeds = []
      for (const seed of results.scale.seeds) seeds.push(await results.variants(PRIORS, BEST, m, seed))
      for (const [i, { name }] of VARIANTS.entries()) {
        const found = seeds.flatMap(variants => variants[i] ?? [])
        rows.push(
          scored(
            name,
            found.map(v => 100 * v.accuracy),
            {
              m,
              cosine: spread(found.map(v => v.cosine)).mean,
              r2: spread(found.map(v => v.r2)).mean
            }
          )
        )
      }
    }
    const cosine = (index: number, m: number): number =>
      Number(rows.filter(r => r.m === m)[index]?.cosine ?? Number.NaN)
    const others = [...VARIANTS.keys()].slice(1)
    const best = (m: number): number => Math.max(...others.map(i => cosine(i, m)))
    return {
      title: 'How the alignment is fitted',
      paper: 'least squares by gradient descent, no intercept is named',
      columns: [
        { title: 'm', text: row => String(row.m) },
        NAME,
        column('held-out cosine', 'cosine', 4),
        column('held-out R²', 'r2'),
        { title: 'ridge probe of the merged rows %', text: ACCURACY.text }
      ],
      rows,
      verdicts: [
        ...SHARED.map(m =>
          verdict(`m = ${m}: no way has a held-out cosine above the node's by 0.005`, best(m) <= cosine(0, m) + 0.005)
        ),
        verdict(
          'orthogonal Procrustes is never better than ridge',
          SHARED.every(m => cosine(VARIANTS.length - 1, m) <= cosine(0, m))
        ),
        verdict(
          'least squares loses more where m is near n',
          cosine(0, 250) - cosine(VARIANTS.length - 2, 250) > cosine(0, 1000) - cosine(VARIANTS.length - 2, 1000)
        )
      ],
      notes: [
        `Eight priors onto ${BEST}; fitted on m rows, judged on the other rows of 5,000, where cosine and R² are means over the seven others. n = 128.`
      ]
    }
  }
}
