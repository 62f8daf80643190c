/**
 * What Linux tells below `/proc`. Deno opens these paths only for a program that may do everything; ours may not, and
 * goes through the system calls that it has anyway.
 */
import { O_DIRECTORY, O_RDONLY } from "./sys.ts";
import { systemCalls } from "./system_calls.ts";

/** Read at once; the kernel writes these texts as they are read. */
const BUFFER_BYTES = 64 * 1024;
/** Of one file: a million lines of watches have some hundred bytes each. */
const TEXT_BYTES_MAX = 256 * 1024 * 1024;

/** The text of the file at `path`, or `null` if it cannot be read. */
export function readProcText(path: string): string | null {
  const sys = systemCalls();
  const fd = sys.open(null, path, O_RDONLY);
  if (fd < 0) return null;
  const buffer = new Uint8Array(BUFFER_BYTES);
  const decoder = new TextDecoder();
  try {
    let text = "";
    for (let at = 0; at < TEXT_BYTES_MAX;) {
      const count = sys.read(fd, buffer, at);
      if (count < 0) return null;
      if (count === 0) break;
      at += count;
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
    return text + decoder.decode();
  } finally {
    sys.close(fd);
  }
}

/** Names and texts of the links in the directory at `path`; empty if it cannot be read. */
export function readProcLinks(path: string): Map<string, string> {
  const sys = systemCalls();
  const links = new Map<string, string>();
  const dir = sys.open(null, path, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return links;
  try {
    const items = sys.list(dir);
    for (const { name } of typeof items === "number" ? [] : items) {
      const text = sys.readLink(dir, name);
      if (typeof text !== "number") links.set(name, new TextDecoder().decode(text));
    }
    return links;
  } finally {
    sys.close(dir);
  }
}
