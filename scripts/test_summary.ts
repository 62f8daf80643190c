/** The last line of `deno test`, e.g. `ok | 12 passed (4 steps) | 0 failed | 1 ignored (14ms)`. */

/** Reads the summary at the end of the output of `deno test`; all zero if there is none. */
export function readSummary(output: string): { readonly passed: number; readonly failed: number } {
  // deno-lint-ignore no-control-regex -- colours are escape sequences
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const summary = [...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed\b[^|\n]*\| (\d+) failed\b/gm)].at(-1);
  return { passed: Number(summary?.[1] ?? 0), failed: Number(summary?.[2] ?? 0) };
}
