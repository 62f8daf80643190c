/** What every {@link State} does. Run on the real one and on the twin by `state_test.ts`. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Binding, State, StateChange, Synced } from "../../client/state.ts";
import type { ContentId } from "../../core/entry.ts";
import { Bug } from "../../core/invariant.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import type { Stat } from "../../system/disk.ts";

export interface StatePlace {
  /** Opens the state; the same one after `close()`. */
  open(): State;
  remove(): void;
}

const p = parsePath;
const ID = "0123456789abcdef".repeat(4) as ContentId;

function stat(kind: Stat["kind"], over: Partial<Stat> = {}): Stat {
  const times = { mtimeUs: 1_700_000_000_123_456, ctimeUs: 1_700_000_001_000_000 };
  return { kind, size: 5, ...times, ino: 77, mode: 0o644, nlink: 1, ...over };
}

function file(revision: number, over: Partial<Stat> | null = {}): Synced {
  return {
    entry: { kind: "file", size: 5, mtime: 1_700_000_000_123, mode: 0o644, content: ID },
    revision,
    stat: over === null ? null : stat("file", over),
  };
}

const dir: Synced = { entry: { kind: "dir", mode: 0o755 }, revision: 2, stat: stat("dir", { mode: 0o2755 }) };
const link: Synced = {
  entry: { kind: "link", target: "../x\n" },
  revision: 3,
  stat: stat("link", { ino: 2 ** 60 }),
};

/** Paths that trip up patterns, collations and prefixes. */
const AWKWARD = [
  "d",
  "d/a",
  "d/%",
  "d/_",
  "d/z/z",
  "d0",
  "d.x",
  "d%",
  "D/a",
  "é/a",
  "é/a",
  "d/\u{1F600}",
  "d/\uffee",
];

/** Registers the suite under `name`. */
export function stateSuite(name: string, make: () => StatePlace): void {
  const test = (title: string, body: (state: State, reopen: () => State) => void | Promise<void>) =>
    Deno.test(`${name}: ${title}`, async () => {
      const place = make();
      let state = place.open();
      const reopen = () => {
        state.close();
        return state = place.open();
      };
      try {
        await body(state, reopen);
      } finally {
        state.close();
        place.remove();
      }
    });

  test("a new state knows nothing but itself", (state) => {
    const { replica, ...rest } = state.binding();
    assert(/^[0-9a-f]{32}$/.test(replica));
    assertEquals(rest, {
      folder: null,
      epoch: null,
      cursor: 0,
      seen: 0,
      view: null,
      server: "",
      folderName: "",
      credential: "",
      lastSync: 0,
    });
    assertEquals(state.load().size, 0);
    assertEquals(state.chunks(p("a")), null);
  });

  test("rows of each kind come back as they were, also after closing", (state, reopen) => {
    const set: StateChange["set"] = [
      [p("a"), file(1), null],
      [p("dir"), dir, null],
      [p("dir/link"), link, null],
      [p("racy"), file(4, null), null],
      [p("__proto__"), file(5, { mtimeUs: -1, ctimeUs: 8.64e18, ino: 2 ** 53 + 2 }), null],
      [p("old"), { ...file(6), entry: { ...file(6).entry, mtime: -8.64e15 } as Synced["entry"] }, null],
    ];
    state.write({ set });
    const expected = new Map(set!.map(([path, synced]) => [path, synced]));
    assertEquals(state.load(), expected);
    assertEquals(reopen().load(), expected);
  });

  test("a row takes the place of the row before it", (state) => {
    state.write({ set: [[p("a"), file(1), null]] });
    state.write({ set: [[p("a"), { ...dir, revision: 9 }, null]] });
    assertEquals([...state.load()], [[p("a"), { ...dir, revision: 9 }]]);
  });

  test("a forgotten row is gone, and forgetting what is not there is fine", (state, reopen) => {
    state.write({ set: [[p("a"), file(1), new Uint8Array([1])], [p("b"), file(2), null]] });
    state.write({ gone: [p("a"), p("nothing")] });
    assertEquals([...reopen().load().keys()], [p("b")]);
  });

  test("chunk lists go with their rows", (state, reopen) => {
    const list = new Uint8Array(72).fill(7);
    state.write({ set: [[p("a"), file(1), list], [p("b"), file(1), null]] });
    const again = reopen();
    assertEquals(again.chunks(p("a")), list);
    assertEquals(again.chunks(p("b")), null);
    again.write({ set: [[p("a"), file(2), null]] });
    assertEquals(again.chunks(p("a")), null);
  });

  test("a chunk list is forgotten with its row", (state) => {
    state.write({ set: [[p("a"), file(1), new Uint8Array(36)]] });
    state.write({ gone: [p("a")] });
    assertEquals(state.chunks(p("a")), null);
  });

  test("a move takes exactly what is at and below a path", (state, reopen) => {
    state.write({ set: AWKWARD.map((path) => [p(path), file(1), null] as const) });
    state.write({ moved: [{ from: p("d"), to: p("é/new"), revision: 8 }] });
    const expected = new Map<string, number>(AWKWARD.map((path) => {
      const inside = path === "d" || path.startsWith("d/");
      return inside ? ["é/new" + path.slice(1), 8] : [path, 1];
    }));
    const found = [...reopen().load()].map(([path, row]) => [path, row.revision] as const);
    assertEquals(new Map<string, number>(found), expected);
  });

  test("a move of a path whose length differs in bytes and characters keeps what follows it", (state) => {
    state.write({ set: [[p("\u{1F600}é/x/y"), file(1), new Uint8Array([9])]] });
    state.write({ moved: [{ from: p("\u{1F600}é"), to: p("b"), revision: 2 }] });
    assertEquals([...state.load().keys()], [p("b/x/y")]);
    assertEquals(state.chunks(p("b/x/y")), new Uint8Array([9]));
  });

  test("a move takes the place of rows at its target", (state) => {
    const list = new Uint8Array([1]);
    state.write({
      set: [[p("a/x"), file(1), null], [p("b"), dir, null], [p("b/x"), file(2), list], [
        p("b/y"),
        file(3),
        list,
      ]],
    });
    state.write({ moved: [{ from: p("a"), to: p("b"), revision: 7 }] });
    assertEquals([...state.load()], [[p("b/x"), file(7)]]);
    assertEquals(state.chunks(p("b/x")), null);
    assertEquals(state.chunks(p("b/y")), null);
  });

  test("moves come first, in order, then rows that are set, then rows that are gone", (state) => {
    state.write({ set: [[p("a"), file(1), null]] });
    state.write({
      gone: [p("d")],
      set: [[p("c"), file(9), null], [p("d"), file(9), null]],
      moved: [{ from: p("a"), to: p("b"), revision: 2 }, { from: p("b"), to: p("c"), revision: 3 }],
    });
    assertEquals([...state.load()], [[p("c"), file(9)]]);
  });

  test("nothing is moved into itself", (state) => {
    assertThrows(() => state.write({ moved: [{ from: p("a"), to: p("a/b"), revision: 1 }] }), Bug);
    assertThrows(() => state.write({ moved: [{ from: p("a/b"), to: p("a"), revision: 1 }] }), Bug);
  });

  test("heads of ignored paths are kept beside the rows, and go with a reset", (state, reopen) => {
    const head = (row: Synced) => ({ entry: row.entry, revision: row.revision });
    const ignored = AWKWARD.map((path) => [p(path), head(file(4))] as const);
    state.write({
      set: [[p("d"), dir, null]],
      ignored: [...ignored, [p("x"), head(link)], [p("y"), head(dir)]],
    });
    const expected = new Map([...ignored, [p("x"), head(link)] as const, [p("y"), head(dir)] as const]);
    assertEquals(state.ignored(), expected);
    assertEquals([...state.load().keys()], [p("d")]);
    const again = reopen();
    assertEquals(again.ignored(), expected);
    again.write({ ignored: [[p("x"), head(file(9))], [p("y"), null], [p("nothing"), null]] });
    assertEquals([again.ignored().get(p("x")), again.ignored().has(p("y"))], [head(file(9)), false]);
    again.reset();
    assertEquals(reopen().ignored().size, 0);
  });

  test("what was begun is known until it is done, under a number of its own", async (state, reopen) => {
    assertEquals(state.begun(), []);
    const numbers = ["one", '{"sent":[["é\\n",null]]}', "one"].map((text) => state.begin(text));
    assertEquals(new Set(numbers).size, 3);
    await state.durable();
    state.write({ set: [[p("a"), file(1), null]], done: [numbers[1]!] });
    assertEquals(state.begun(), [[numbers[0]!, "one"], [numbers[2]!, "one"]]);
    state.write({ done: [numbers[2]!, 12_345] });
    const again = reopen();
    assertEquals(again.begun(), [[numbers[0]!, "one"]]);
    assertEquals(again.load(), new Map([[p("a"), file(1)]]));
    assert(!numbers.includes(again.begin("more")));
    again.reset();
    assertEquals(again.begun(), []);
    await again.durable();
  });

  test("a write that fails leaves everything as it was", (state) => {
    state.write({ set: [[p("a"), file(1), null]], binding: { cursor: 4 } });
    const wrong = { ...file(2), stat: stat("dir") };
    assertThrows(() => state.write({ set: [[p("b"), wrong, null]], binding: { cursor: 5 } }), Bug);
    assertEquals([...state.load().keys()], [p("a")]);
    assertEquals(state.binding().cursor, 4);
  });

  test("the binding keeps what a change does not name", (state, reopen) => {
    const { replica } = state.binding();
    const known: Partial<Binding> = {
      folder: "f".repeat(32),
      epoch: "e".repeat(32),
      seen: 2 ** 53 - 1,
      view: "a".repeat(32),
      server: "nas:1",
      folderName: "Bilder & Töne",
      credential: "nas_1_bob",
      lastSync: 1.7e12,
    };
    state.write({ binding: known });
    state.write({ binding: { cursor: 12 } });
    const expected = { replica, ...known, cursor: 12 };
    assertEquals({ ...state.binding() }, expected as Binding);
    assertEquals({ ...reopen().binding() }, expected as Binding);
  });

  test("after a reset it is another replica of the same folder of the same server", (state, reopen) => {
    state.write({
      set: [[p("a"), file(1), new Uint8Array(36)]],
      binding: {
        folder: "f",
        epoch: "e",
        cursor: 3,
        seen: 5,
        view: "v",
        server: "s:1",
        folderName: "n",
        credential: "c",
      },
    });
    const before = state.binding();
    state.reset();
    const again = reopen();
    const after = again.binding();
    assertNotEquals(after.replica, before.replica);
    assertEquals({ ...after, replica: "" }, {
      replica: "",
      folder: null,
      epoch: null,
      cursor: 0,
      seen: 0,
      view: null,
      server: "s:1",
      folderName: "n",
      credential: "c",
      lastSync: 0,
    });
    assertEquals(again.load().size, 0);
    assertEquals(again.chunks(p("a")), null);
  });

  test("more rows than one page come back", (state) => {
    const paths: SyncPath[] = [];
    for (let i = 0; i < 9001; i++) paths.push(p(`many/${i}`));
    state.write({ set: paths.map((path, i) => [path, file(i), null] as const) });
    const rows = state.load();
    assertEquals(rows.size, 9001);
    assert(paths.every((path, i) => rows.get(path)?.revision === i));
  });
}
