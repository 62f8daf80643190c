/** Two contents compared for a person. */
import { displayPath } from "../core/path.ts";

/** Beyond this a comparison line by line takes long and helps nobody. */
const DIFF_BYTES_MAX = 4 * 1024 * 1024;
/** Time for finding the smallest difference, ms. */
const DIFF_MS_MAX = 5000;

export interface Compared {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The unified diff of two texts, or one line that says why there is none. Control characters are escaped. */
export async function textDiff(before: Compared, after: Compared): Promise<string[]> {
  if (before.bytes.length + after.bytes.length > DIFF_BYTES_MAX) {
    return ["The contents are too large to compare."];
  }
  const [a, b] = [textOf(before.bytes), textOf(after.bytes)];
  if (a === null || b === null) return ["The contents are no texts; they differ."];
  if (a === b) return ["The contents are the same."];
  const { createTwoFilesPatch } = await import("diff");
  const options = { context: 3, timeout: DIFF_MS_MAX };
  const patch = createTwoFilesPatch(before.name, after.name, a, b, undefined, undefined, options);
  if (patch === undefined) return ["The contents differ too much to show how."];
  return patch.trimEnd().split("\n").filter((line) => !line.startsWith("=====")).map(shown);
}

/** `null` if it is no text: it holds NUL, or is not UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** A tab is part of a text, and moves nothing but what stands behind it. */
function shown(line: string): string {
  return line.split("\t").map(displayPath).join("\t");
}
