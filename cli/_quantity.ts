/** Amounts of bytes as people write them. */

const UNITS = new Map([["", 1], ["K", 2 ** 10], ["M", 2 ** 20], ["G", 2 ** 30], ["T", 2 ** 40]]);

/** Bytes of `500`, `64K`, `2.5M`, `1G`, `1T` (also `KB`, `KiB`; a unit is 1024 of the one before), or `null`. */
export function parseBytes(text: string): number | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*$/i.exec(text);
  if (match === null) return null;
  const bytes = Math.round(Number(match[1]) * UNITS.get(match[2]!.toUpperCase())!);
  return Number.isSafeInteger(bytes) ? bytes : null;
}
