/**
 * The least and the greatest of any number of values. `Math.max(...values)` passes each value as an argument and throws a `RangeError` above
 * about 120,000 of them, a length that peers can reach.
 */

/** -Infinity for no values, NaN if one is NaN: as `Math.max`. */
export function greatest(values: Iterable<number>): number {
  let most = -Infinity
  for (const value of values) most = Math.max(most, value)
  return most
}

/** Infinity for no values, NaN if one is NaN: as `Math.min`. */
export function least(values: Iterable<number>): number {
  let fewest = Infinity
  for (const value of values) fewest = Math.min(fewest, value)
  return fewest
}
