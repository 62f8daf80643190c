/** SHA-256 as text, in the form that `sha256sum -c` reads. */
import { hash } from "node:crypto";

export function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** A line for each file, by name. */
export function checksumLines(files: ReadonlyMap<string, Uint8Array>): string {
  return [...files].map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`).join("");
}
