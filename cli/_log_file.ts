/** Reads the log that `_journal.ts` writes: from the start, over a rotation, and on as it grows. */

/** One line of the log. */
export interface LogLine {
  readonly record: { readonly [key: string]: unknown };
  /** When it happened, ms. */
  readonly time: number;
}

/** Bytes that are read at once. */
const READ_BYTES = 1024 * 1024;
/** A line cannot be longer: paths, names and a text. What is longer is no line of ours. */
const LINE_BYTES_MAX = 1024 * 1024;

export class LogReader {
  readonly #path: string;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #file: Deno.FsFile | null = null;
  #inode: number | null = null;
  /** Full files that are still to be read, the oldest last. */
  readonly #earlier: string[];
  #rest = new Uint8Array(0);

  /** @param dir the `.fsync` directory */
  constructor(dir: string) {
    this.#path = `${dir}/log/events.jsonl`;
    this.#earlier = fullFiles(dir);
    this.#file = this.#nextFile();
  }

  #nextFile(): Deno.FsFile | null {
    for (let path = this.#earlier.pop(); path !== undefined; path = this.#earlier.pop()) {
      const file = this.#open(path);
      if (file !== null) return file;
    }
    return this.#open(this.#path);
  }

  #open(path: string): Deno.FsFile | null {
    try {
      const file = Deno.openSync(path);
      this.#inode = file.statSync().ino;
      return file;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  /** All lines that have come since the last call. */
  *next(): Generator<LogLine> {
    for (;;) {
      yield* this.#readFile();
      if (!this.#isLeft()) return;
      this.#file?.close();
      this.#rest = new Uint8Array(0);
      this.#file = this.#nextFile();
      if (this.#file === null) return;
    }
  }

  /** Whether another file has taken the place of the one that was read to its end. */
  #isLeft(): boolean {
    try {
      return this.#file === null || Deno.statSync(this.#path).ino !== this.#inode;
    } catch {
      return false;
    }
  }

  *#readFile(): Generator<LogLine> {
    if (this.#file === null) return;
    for (;;) {
      const size = this.#file.readSync(this.#buffer);
      if (size === null) return;
      yield* this.#lines(this.#buffer.subarray(0, size));
    }
  }

  *#lines(bytes: Uint8Array): Generator<LogLine> {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const line = parse(joined(this.#rest, bytes.subarray(start, end)));
      this.#rest = new Uint8Array(0);
      start = end + 1;
      if (line !== null) yield line;
    }
    const rest = joined(this.#rest, bytes.subarray(start));
    this.#rest = rest.length > LINE_BYTES_MAX ? new Uint8Array(0) : rest;
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }
}

/** `events.jsonl.1`, `.2` and so on: the newest first. */
function fullFiles(dir: string): string[] {
  const paths: string[] = [];
  for (let n = 1;; n++) {
    const path = `${dir}/log/events.jsonl.${n}`;
    try {
      Deno.lstatSync(path);
    } catch {
      return paths;
    }
    paths.push(path);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** `null` for a line that a crash has torn. */
function parse(bytes: Uint8Array): LogLine | null {
  try {
    const record: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof record !== "object" || record === null || !("time" in record)) return null;
    const time = Date.parse(String(record.time));
    return Number.isNaN(time) ? null : { record: { ...record }, time };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
