/** How many files this process may have open. */
import { readProcText } from "./proc.ts";

/** What POSIX promises to every process where Linux does not say. */
const LIMIT_UNKNOWN = 256;

/** The limit of open files. Deno has raised it to what the system allows at most (`ulimit -Hn`). */
export function openFilesMax(): number {
  const limits = readProcText("/proc/self/limits") ?? "";
  const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined) return LIMIT_UNKNOWN;
  return soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
}
