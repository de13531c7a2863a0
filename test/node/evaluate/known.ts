/** Known answers made by scripts/make-evaluate-vectors.py with scikit-learn and scipy. */
import { matrix, type Matrix64 } from '../../../src/matrix.ts'
import { vectors } from '../../helpers/vectors.ts'

export interface KnownMatrix {
  rows: number
  columns: number
  data: number[]
}

interface Known {
  ridge: {
    x: KnownMatrix
    labels: number[]
    classes: number
    multiple: number
    test: KnownMatrix
    outputs: KnownMatrix
  }[]
  logistic: {
    x: KnownMatrix
    labels: number[]
    classes: number
    c: number
    loss: number
    test: KnownMatrix
    predicted: number[]
  }[]
  neighbours: { x: KnownMatrix; labels: number[]; test: KnownMatrix; votes: { k: number; predicted: number[] }[] }
  spearman: { x: number[]; y: number[]; rho: number; p: number }[]
  variation: {
    rows: KnownMatrix
    labels: number[]
    fit: number[]
    test: number[]
    directions: KnownMatrix
    predicted: number[]
  }[]
}

export const known = vectors<Known>('evaluate')

export function float64({ rows, columns, data }: KnownMatrix): Matrix64 {
  return matrix(rows, columns, Float64Array.from(data))
}
