/**
 * Stratified random splits from a seed: every class is spread evenly over the parts, and the same rows, classes and seed give the same parts.
 */
import { InvalidInputError, NumericError } from '../../src/errors.ts'
import { createRandomStream, shuffle } from '../../src/random.ts'

/** Least rows of a class: one for each part of the split below and two more to fit. */
export const MIN_CLASS_ROWS = 5

export interface Split {
  /** What a model is fitted on */
  readonly fit: Int32Array
  /** What chooses among models */
  readonly validate: Int32Array
  /** Used once, for the final figure */
  readonly test: Int32Array
}

/** 60 % to fit, 20 % to validate, 20 % to test, of every class. Throws `InvalidInputError` when a class has too few rows. */
export function stratifiedSplit(labels: Int32Array, classes: number, seed: number): Split {
  const [test = [], validate = [], ...fit] = foldsOf(labels, classes, 5, seed)
  return { fit: rowsOf(fit), validate: rowsOf([validate]), test: rowsOf([test]) }
}

/** 80 % to fit, 20 % to validate, of every class, for separate test rows. Throws as `stratifiedSplit`. */
export function splitForTest(labels: Int32Array, classes: number, seed: number): Omit<Split, 'test'> {
  const [validate = [], ...fit] = foldsOf(labels, classes, 5, seed)
  return { fit: rowsOf(fit), validate: rowsOf([validate]) }
}

/** Cross-validation with every row tested once: part f tests, part f + 1 validates, the others fit. Throws as `stratifiedSplit`. */
export function crossSplits(labels: Int32Array, classes: number, seed: number): Split[] {
  const folds = foldsOf(labels, classes, 5, seed)
  return folds.map((test, f) => {
    const next = (f + 1) % folds.length
    return {
      fit: rowsOf(folds.filter((_, i) => i !== f && i !== next)),
      validate: rowsOf([folds[next] ?? []]),
      test: rowsOf([test])
    }
  })
}

/**
 * `count` disjoint parts, each with its share of every class to within one row. Throws `InvalidInputError` when a class that occurs has
 * fewer rows than there are parts, `NumericError` for a label that is not a class.
 */
export function foldsOf(labels: Int32Array, classes: number, count: number, seed: number): number[][] {
  const members = Array.from({ length: classes }, (): number[] => [])
  labels.forEach((label, row) => {
    const list = members[label]
    if (list === undefined)
      throw new NumericError(`row ${row} has the label ${label}, but there are ${classes} classes`)
    list.push(row)
  })
  const folds = Array.from({ length: count }, (): number[] => [])
  const stream = createRandomStream('coopt/1/evaluate/folds', `${seed}`)
  let next = 0
  for (const [label, rows] of members.entries()) {
    if (rows.length === 0) continue
    if (rows.length < count)
      throw new InvalidInputError(`class ${label} has ${rows.length} rows; a split needs ${count}`)
    // continue where the last class ended, so that remainders are spread over the parts
    for (const i of shuffle(rows.length, stream)) folds[next++ % count]?.push(rows[i] as number)
  }
  return folds
}

// --- internal ---

function rowsOf(parts: readonly (readonly number[])[]): Int32Array {
  return Int32Array.from(parts.flat()).sort()
}
