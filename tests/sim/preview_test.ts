/** A preview says what the pass right after it does, whatever rules it has yet to hear of; and it changes nothing. */
import { assertEquals } from "@std/assert";
import type { Preview } from "../../client/engine_status.ts";
import { A, B, S, type World, world } from "./world.ts";

const RULES = ".fsyncignore";

/** What a preview on B says, as lines. */
async function preview(w: World): Promise<{ lines: string[]; unforeseen: readonly string[] }> {
  const { state } = w.client(B);
  const before = () =>
    JSON.stringify([[...w.tree(B)], [...state.load()], [...state.ignored()], state.binding()]);
  const then = before();
  let told: Preview | null = null;
  await w.sync(B, (engine) => {
    // In place of the pass.
    engine.pass = async (signal) => {
      told = await engine.preview(signal);
      return engine.status();
    };
  });
  assertEquals(before(), then);
  const { renames, plan, unforeseen } = told! as Preview;
  const lines = [
    ...renames.map(({ from, to }) => `rename ${from} ${to}`),
    ...plan.push.map((step) => `${step.do} ${step.path}`),
    ...plan.download.map(({ path }) => `download ${path}`),
    ...plan.remove.map(({ path }) => `remove ${path}`),
  ];
  return { lines: lines.sort(), unforeseen };
}

/** What a pass of B did to each path, told in the same words. */
async function pass(w: World): Promise<string[]> {
  const [here, there] = [w.tree(B), w.tree(S)];
  await w.sync(B);
  await w.pause(5000);
  const lines: string[] = [];
  for (const path of new Set([...here.keys(), ...w.tree(B).keys()])) {
    const [old, now] = [here.get(path), w.tree(B).get(path)];
    if (JSON.stringify(old) !== JSON.stringify(now)) lines.push(`${now ? "download" : "remove"} ${path}`);
  }
  for (const path of new Set([...there.keys(), ...w.tree(S).keys()])) {
    const [old, now] = [there.get(path), w.tree(S).get(path)];
    if (JSON.stringify(old) !== JSON.stringify(now)) lines.push(`${now ? "upload" : "delete"} ${path}`);
  }
  return lines.sort();
}

interface Story {
  readonly name: string;
  /** What both sides hold and agree on. */
  readonly agreed: Readonly<Record<string, string>>;
  /** What B does without a server. */
  readonly here: (w: World) => void;
  /** What others do meanwhile. */
  readonly there: (w: World) => void;
  readonly expected: readonly string[];
  /** What an ignored file does that lies in a directory which is renamed. */
  readonly comesAlong?: readonly string[];
  readonly unforeseen?: readonly string[];
}

const STORIES: readonly Story[] = [
  {
    name: "new rules leave out what is new here, and what others changed",
    agreed: { a: "1", "x.log": "1" },
    here: (w) => w.put(B, { "mine.log": "2", "out/x": "3", b: "4" }),
    there: (w) => w.put(A, { [RULES]: "*.log\nout/\n", "x.log": "5", "y.log": "6", c: "7" }),
    expected: [`download ${RULES}`, "download c", "upload b"],
  },
  {
    name: "rules that are changed let something be synced again",
    agreed: { [RULES]: "*.log\n" },
    here: (w) => w.put(B, { "mine.log": "2", "mine.tmp": "3" }),
    there: (w) => w.put(A, { [RULES]: "*.tmp\n", "theirs.log": "4" }),
    expected: [`download ${RULES}`, "download theirs.log", "upload mine.log"],
  },
  {
    name: "rules that go let everything be synced again, also rules below",
    agreed: { [RULES]: "*.log\nsub\n", a: "1" },
    here: (w) => w.put(B, { "mine.log": "2", "sub/mine.o": "3", "sub/mine.c": "4" }),
    there: (w) => {
      w.put(A, { "theirs.log": "5", [`sub/${RULES}`]: "*.o\n", "sub/theirs.o": "6" });
      w.remove(A, RULES);
    },
    expected: [
      `download sub/${RULES}`,
      "download theirs.log",
      `remove ${RULES}`,
      "upload mine.log",
      "upload sub/mine.c",
    ],
  },
  {
    name: "rules of directories that are new go by those above them",
    agreed: { a: "1" },
    here: (w) => w.put(B, { "d/x.o": "2", "d/x.c": "3", "e/y": "4" }),
    there: (w) => {
      w.put(A, { [`d/${RULES}`]: "*.o\n", "d/z": "5", [RULES]: "/e\n", "f/g/h": "6" });
      w.put(A, { [`f/${RULES}`]: "i\n", "f/i": "7" });
    },
    expected: [
      `download ${RULES}`,
      `download d/${RULES}`,
      "download d/z",
      "download f",
      `download f/${RULES}`,
      "download f/g",
      "download f/g/h",
      "upload d/x.c",
    ],
  },
  {
    name: "a directory that goes leaves here what its rules ignored",
    agreed: { [`d/${RULES}`]: "*.o\n", "d/x.c": "1", a: "2" },
    here: (w) => w.put(B, { "d/x.o": "3" }),
    there: (w) => w.remove(A, "d"),
    // The rules go with it, and with them the reason to ignore.
    expected: ["remove d/.fsyncignore", "remove d/x.c", "upload d", "upload d/x.o"],
  },
  {
    name: "a directory that is renamed takes its rules along",
    agreed: { [`d/${RULES}`]: "*.o\n", "d/x.c": "1", a: "2" },
    here: (w) => w.put(B, { "d/x.o": "3" }),
    there: (w) => w.rename(A, "d", "e"),
    expected: [
      "download e",
      "download e/.fsyncignore",
      "download e/x.c",
      "remove d",
      "remove d/.fsyncignore",
      "remove d/x.c",
    ],
    comesAlong: ["download e/x.o", "remove d/x.o"],
  },
  {
    name: "rules that were changed on both sides",
    agreed: { [RULES]: "*.log\n" },
    here: (w) => w.put(B, { [RULES]: "*.tmp\n", "x.log": "1", "x.tmp": "2" }),
    there: (w) => w.put(A, { [RULES]: "*.bak\n" }),
    // The newest has the name, by the server's judgement.
    expected: [`upload ${RULES}`, "upload x.log"],
    unforeseen: [RULES],
  },
  {
    name: "rules that were changed here alone hold",
    agreed: { [RULES]: "*.log\n" },
    here: (w) => w.put(B, { [RULES]: "*.tmp\n", "x.log": "1", "x.tmp": "2" }),
    there: (w) => w.put(A, { "y.tmp": "3" }),
    expected: [`upload ${RULES}`, "upload x.log"],
  },
];

for (const { name, agreed, here, there, expected, comesAlong = [], unforeseen = [] } of STORIES) {
  Deno.test(`preview: ${name}`, async () => {
    await using w = await world({ clients: 2, seed: 7n, mode: "pass" });
    w.put(A, agreed);
    await w.settle();
    await w.pause(5000);
    here(w);
    there(w);
    await w.pause(5000);
    if (unforeseen.length > 0) here(w);
    await w.sync(A);
    await w.pause(5000);
    const told = await preview(w);
    assertEquals(told.lines, expected);
    assertEquals(told.unforeseen, unforeseen);
    assertEquals(await pass(w), [...expected, ...comesAlong].sort());
  });
}
