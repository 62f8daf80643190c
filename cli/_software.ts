/** What this program is. */
import { resolve } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { BUILD } from "./_build.ts";

export const VERSION = config.version;
/** As told to the other side and in logs. */
export const SOFTWARE = `fsync ${VERSION}`;

/** The one file that is this program, as an absolute path; `null` if it runs from its sources. */
export function executablePath(): string | null {
  if (Deno.build.standalone) return Deno.execPath();
  // The self-extracting file says so itself: what runs is the runtime that it has unpacked.
  const path = BUILD.kind === "self-extracting" ? Deno.env.get("FSYNC_EXECUTABLE") : undefined;
  return path ? resolve(path) : null;
}
