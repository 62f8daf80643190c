/** What is said of paths, in a small world where each stands for one reason. */
import { assertEquals } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { A, B, S, type World, world } from "../tests/sim/world.ts";
import type { Explanation } from "./explain.ts";

/** Asks the engine of a client that looked, and did nothing. */
async function explained(w: World, actor: number, ...paths: string[]): Promise<Explanation[]> {
  let found: Explanation[] = [];
  await w.pass(actor, (engine) => {
    // In place of the pass.
    engine.pass = async (signal) => {
      await engine.preview(signal);
      found = paths.map((path) => engine.explain(parsePath(path)));
      return engine.status();
    };
  });
  return found;
}

async function said(w: World, actor: number, ...paths: string[]): Promise<string[]> {
  return (await explained(w, actor, ...paths)).map(({ path, state, reasons }) =>
    [`${path}: ${state}`, ...reasons].join("; ")
  );
}

Deno.test("explain: rules, with file, line and pattern, and what the server keeps", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  w.put(A, { "old.log": "1", "a": "1" });
  await w.settle();
  w.put(A, {
    ".fsyncignore": "# logs\n*.log\n!keep.log\nout/\n",
    "out/x/y": "2",
    "keep.log": "3",
    "t~": "4",
    "bare/x.log": "5",
  });
  w.exclude(A, "*.iso");
  w.put(A, { "x.iso": "6" });
  await w.settle();
  assertEquals(await said(w, A, "old.log", "out", "out/x/y", "keep.log", "t~", "x.iso", "bare", "no"), [
    "old.log: ignored; It is ignored by .fsyncignore:2: *.log; The server keeps version 2 of it for others",
    "out: ignored; It is ignored by .fsyncignore:4: out/",
    'out/x/y: ignored; "out" above it is ignored by .fsyncignore:4: out/',
    "keep.log: in sync; Both sides hold the same, version 4; No rule ignores it: .fsyncignore:3: !keep.log",
    "t~: ignored; It is ignored by built-in:2: ?*~ (Emacs, Vim, gedit and others: the text before the last save)",
    "x.iso: ignored; It is ignored by .fsync/exclude:1: *.iso",
    "bare: ignored; It holds only what is ignored, so it is kept here and told to nobody",
    "no: unknown; Neither this device nor the server has it",
  ]);
});

Deno.test("explain: what waits, which way, and since when", async () => {
  await using w = await world({ clients: 2, seed: 7n });
  w.put(A, { a: "1", b: "1", c: "1", "d/e": "1" });
  await w.settle();
  w.put(B, { c: "22", "d/f": "new" });
  await w.sync(B);
  w.put(A, { a: "22" });
  const changed = w.client(A).clock.now();
  w.remove(A, "b");
  const reasons = await said(w, A, "a", "b", "c", "d/e", "d");
  assertEquals(reasons.map((one) => one.replace(/version \d+/, "version N")), [
    "a: pending; It was changed here; that waits to go to the server",
    "b: pending; It was deleted here; that waits to go to the server",
    "c: pending; It was changed on the server by userB (version N); that waits to come here",
    "d/e: in sync; Both sides hold the same, version N",
    "d: pending; 1 change below it waiting to come here",
  ]);
  const [a] = await explained(w, A, "a");
  assertEquals(a!.pendingSince, changed);
  await w.settle();
});

Deno.test("explain: problems, those of the directories above, and rules that cannot be read", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  w.put(A, { "shut/x": "1", "d/.fsyncignore": "x\n".repeat(5000), "d/y": "2" });
  w.act(A, (user) => user.fifo("pipe"));
  await w.pause(1000);
  w.client(A).disk.fault = (op, path) => op === "list" && path === "shut" ? "permission" : null;
  const reasons = await said(w, A, "pipe", "shut/x", "d/y");
  assertEquals(reasons, [
    'pipe: problem; Cannot sync "pipe": it is neither a file nor a directory nor a link',
    'shut/x: problem; Cannot list "shut": injected (permission)',
    'd/y: problem; The rules of "d/.fsyncignore" are not known: it has more than 4000 rules; ' +
    'Cannot go by the rules in "d/.fsyncignore": it has more than 4000 rules',
  ]);
  w.client(A).disk.fault = () => null;
});

Deno.test("explain: a mass delete that the guard holds", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, `${i}`]));
  w.put(A, files);
  await w.settle();
  w.remove(A, ...Object.keys(files).slice(1));
  const status = await w.sync(A);
  assertEquals(status.held?.deletes, 29);
  let state = "";
  await w.pass(A, (engine) => {
    const pass = engine.pass.bind(engine);
    engine.pass = async (signal) => {
      const end = await pass(signal);
      state = engine.explain(parsePath("f3")).state;
      return end;
    };
  });
  assertEquals(state, "held");
  w.put(A, Object.fromEntries(Object.entries(files).slice(1)));
  await w.settle();
  assertEquals(w.tree(S).size, 30);
});

Deno.test("explain: what rules ignored whose directory is gone with them", async () => {
  await using w = await world({ clients: 1, seed: 7n });
  w.put(A, { "d/a.c": "1", "d/x.o": "1" });
  await w.settle();
  w.put(A, { "d/.fsyncignore": "*.o\n" });
  await w.settle();
  w.rename(A, "d", "e");
  assertEquals(await said(w, A, "d/x.o", "e/x.o"), [
    "d/x.o: pending; The server has it, but its directory is gone here; if it was not renamed, it comes back",
    "e/x.o: ignored; It is ignored by e/.fsyncignore:1: *.o",
  ]);
});
