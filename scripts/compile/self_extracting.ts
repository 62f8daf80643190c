/** A shell script with a Deno runtime and the bundled program behind it: `stub.sh` says what it does at a start. */
import { gzipSync } from "node:zlib";
import { RUN_FLAGS } from "../run_flags.ts";
import { checksumLines, sha256 } from "./checksums.ts";
import type { Target } from "./targets.ts";

const STUB = new URL("./stub.sh", import.meta.url);

/** Nothing is fetched and nothing outside of the unpacked directory is loaded, whatever lies above it. */
const CLOSED_FLAGS = ["--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--cached-only"];

/** The script's length is a multiple of this, so that its own place in the file is known before it is written. */
const STUB_BLOCK = 4096;

export interface Parts {
  readonly version: string;
  readonly target: Target;
  /** The program `deno` for the target. */
  readonly runtime: Uint8Array<ArrayBuffer>;
  /** What `bundle` returned. */
  readonly library: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Of gzip, 1 to 9. */
  readonly level: number;
}

/** The bytes of the executable; the same parts give the same bytes. */
export function selfExtracting(parts: Parts): Uint8Array<ArrayBuffer> {
  const library = new Map([...parts.library].map(([name, bytes]) => [`lib/${name}`, bytes]));
  const runtime = gzipSync(parts.runtime, { level: parts.level });
  const packed = gzipSync(joined([...library.values()]), { level: parts.level });
  const sums = checksumLines(new Map([["fsync", parts.runtime], ...library]));
  const values = new Map([
    ["VERSION", parts.version],
    ["TARGET", parts.target.name],
    ["MACHINE", parts.target.machine],
    // Of all that is unpacked, so that two files never share a directory unless they agree.
    ["KEY", `${parts.version}-${sha256(new TextEncoder().encode(sums)).slice(0, 16)}`],
    ["RUNTIME_BYTES", String(runtime.length)],
    ["LIBRARY_BYTES", String(packed.length)],
    ["NAMES", [...library.keys()].join(" ")],
    ["LIBRARY", listing(library)],
    ["SUMS", sums.trimEnd()],
    ["FLAGS", [...CLOSED_FLAGS, ...RUN_FLAGS].map(quoted).join(" ")],
  ]);
  return joined([renderStub(Deno.readTextFileSync(STUB), values), runtime, packed]);
}

/** Offset from 1, size and name of each file in their joined bytes. */
function listing(files: ReadonlyMap<string, Uint8Array>): string {
  let offset = 1;
  return [...files].map(([name, bytes]) => {
    const line = `${offset} ${bytes.length} ${name}`;
    offset += bytes.length;
    return line;
  }).join("\n");
}

/** The stub with its values, padded; `OFFSET` is where what follows it begins, counted from 1. */
export function renderStub(template: string, values: ReadonlyMap<string, string>): Uint8Array<ArrayBuffer> {
  const text = template.replaceAll(/@([A-Z_]+)@/g, (whole, name: string) => values.get(name) ?? whole);
  const unknown = text.replaceAll("@OFFSET@", "").match(/@[A-Z_]+@/);
  if (unknown !== null) throw new Error(`Cannot write the stub: nothing is known of ${unknown[0]}`);
  const length = Math.ceil(new TextEncoder().encode(text).length / STUB_BLOCK) * STUB_BLOCK;
  const stub = new TextEncoder().encode(text.replaceAll("@OFFSET@", String(length + 1)));
  // The shell has read its last command by then.
  const padded = new Uint8Array(length).fill(0x0a);
  padded.set(stub);
  return padded;
}

function quoted(word: string): string {
  return /^[\w=,.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
