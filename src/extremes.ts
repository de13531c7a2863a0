/**
 * The least and the greatest of any number of values. `Math.max(...values)` passes each value as an argument and throws a `RangeError` above about
 * 120,000 of them; peers can send more.
 */

/** Like `Math.max`: -Infinity without values, NaN if one is NaN. */
export function greatest(values: Iterable<number>): number {
  let most = -Infinity
  for (const value of values) most = Math.max(most, value)
  return most
}

/** Like `Math.min`: Infinity without values, NaN if one is NaN. */
export function least(values: Iterable<number>): number {
  let fewest = Infinity
  for (const value of values) fewest = Math.min(fewest, value)
  return fewest
}
