/** Numbers about numbers. */

/** @throws {RangeError} if there are none */
export function median(values: readonly number[]): number {
  const sorted = sort(values);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The smallest of the values that is not below `share` (0 to 1) of them.
 * @throws {RangeError} if there are none
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = sort(values);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function sort(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError("Cannot sum up nothing");
  return values.toSorted((a, b) => a - b);
}
