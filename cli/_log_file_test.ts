import { assertEquals } from "@std/assert";
import { LogReader } from "./_log_file.ts";

function withLog(body: (dir: string, log: string) => void): void {
  const dir = Deno.makeTempDirSync();
  Deno.mkdirSync(`${dir}/log`);
  try {
    body(dir, `${dir}/log/events.jsonl`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const line = (type: string) => `{"time":"2025-04-07T13:11:05.000Z","type":"${type}"}\n`;
const types = (reader: LogReader) => [...reader.next()].map(({ record }) => record.type);
const append = (path: string, text: string) => Deno.writeTextFileSync(path, text, { append: true });

Deno.test("a log is read from the file before on, and as it grows", () =>
  withLog((dir, log) => {
    append(`${log}.1`, line("a") + line("b"));
    append(log, line("c"));
    const reader = new LogReader(dir);
    assertEquals(types(reader), ["a", "b", "c"]);
    assertEquals(types(reader), []);
    append(log, line("d") + line("é").slice(0, -5));
    assertEquals(types(reader), ["d"]);
    append(log, line("é").slice(-5));
    assertEquals(types(reader), ["é"]);
    reader.close();
  }));

Deno.test("a rotation loses no line", () =>
  withLog((dir, log) => {
    append(log, line("a"));
    const reader = new LogReader(dir);
    assertEquals(types(reader), ["a"]);
    append(log, line("b"));
    Deno.renameSync(log, `${log}.1`);
    append(log, line("c"));
    assertEquals(types(reader), ["b", "c"]);
    reader.close();
  }));

Deno.test("torn and foreign lines are left out, a log that is not there yet is empty", () =>
  withLog((dir, log) => {
    const reader = new LogReader(dir);
    assertEquals(types(reader), []);
    append(
      log,
      `{"time":"2025-04\n${line("a")}\n[]\nnull\n{"type":"no time"}\n{"time":"never"}\n${line("b")}`,
    );
    assertEquals(types(reader), ["a", "b"]);
    reader.close();
  }));
