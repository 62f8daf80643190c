import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { conflictPath } from "./conflict_name.ts";
import { nameOf, parentOf, parsePath, type SyncPath, utf8Length } from "./path.ts";

/** 2025-04-07 13:11:05 in local time. */
const TIME = new Date(2025, 3, 7, 13, 11, 5).getTime();
const MARK = "(conflict anna 2025-04-07 13.11.05)";

const free = () => false;

function takenAre(...taken: string[]): (path: SyncPath) => boolean {
  return (path) => taken.includes(path);
}

interface NameCase {
  readonly name: string;
  readonly path: string;
  readonly user?: string;
  readonly taken?: (path: SyncPath) => boolean;
  readonly becomes: string;
}

const CASES: readonly NameCase[] = [
  { name: "an extension stays at the end", path: "d/report.txt", becomes: `d/report ${MARK}.txt` },
  { name: "no extension", path: "Makefile", becomes: `Makefile ${MARK}` },
  { name: "only the last extension counts", path: "a.tar.gz", becomes: `a.tar ${MARK}.gz` },
  { name: "a hidden file has no extension", path: ".bashrc", becomes: `.bashrc ${MARK}` },
  { name: "a dot in the directory is none in the name", path: "a.d/b", becomes: `a.d/b ${MARK}` },
  { name: "a dot at the end", path: "name.", becomes: `name ${MARK}.` },
  {
    name: "a user with a slash",
    path: "a",
    user: "../x/y",
    becomes: "a (conflict .._x_y 2025-04-07 13.11.05)",
  },
  {
    name: "a user with control characters",
    path: "a",
    user: "x\0\n\x7f",
    becomes: "a (conflict x___ 2025-04-07 13.11.05)",
  },
  {
    name: "a user that is no good Unicode",
    path: "a",
    user: "x\ud800",
    becomes: "a (conflict x\ufffd 2025-04-07 13.11.05)",
  },
  {
    name: "a user with a long name",
    path: "a",
    user: "u".repeat(256),
    becomes: `a (conflict ${"u".repeat(64)} 2025-04-07 13.11.05)`,
  },
  { name: "the name is taken", path: "a.txt", taken: takenAre(`a ${MARK}.txt`), becomes: `a ${MARK} 2.txt` },
  {
    name: "so is the next",
    path: "a.txt",
    taken: takenAre(`a ${MARK}.txt`, `a ${MARK} 2.txt`),
    becomes: `a ${MARK} 3.txt`,
  },
  { name: "255 bytes of ASCII", path: "n".repeat(255), becomes: `${"n".repeat(219)} ${MARK}` },
  {
    name: "255 bytes with an extension",
    path: `${"n".repeat(251)}.txt`,
    becomes: `${"n".repeat(215)} ${MARK}.txt`,
  },
  {
    name: "63 emoji and 3: none is cut in two",
    path: "🙂".repeat(63) + "abc",
    becomes: `${"🙂".repeat(54)} ${MARK}`,
  },
  { name: "an extension too long to keep", path: `a.${"x".repeat(253)}`, becomes: `a ${MARK}` },
  {
    name: "a conflict of a long name that is taken",
    path: "n".repeat(255),
    taken: takenAre(`${"n".repeat(219)} ${MARK}`),
    becomes: `${"n".repeat(217)} ${MARK} 2`,
  },
];

for (const { name, path, user = "anna", taken = free, becomes } of CASES) {
  Deno.test(`conflict name: ${name}`, () => {
    const found = conflictPath(parsePath(path), user, TIME, taken);
    assertEquals(found as string, becomes);
    assertEquals(parsePath(found), found);
  });
}

Deno.test("conflict name: twenty within one second are twenty names", () => {
  const names = new Set<SyncPath>();
  for (let i = 0; i < 20; i++) {
    names.add(conflictPath(parsePath("f.txt"), "anna", TIME, (path) => names.has(path)));
  }
  assertEquals(names.size, 20);
});

/** A path of exactly `bytes` bytes in directories of 100. */
function deepPath(bytes: number, name: string): SyncPath {
  const dirs = `${"d".repeat(100)}/`.repeat(50).slice(0, bytes - name.length - 1).replace(/\/$/, "e");
  return parsePath(`${dirs}/${name}`);
}

Deno.test("conflict name: where the path is almost too long, the name is shortened", () => {
  const path = deepPath(4096, `${"n".repeat(60)}.txt`);
  const found = conflictPath(path, "anna", TIME, free);
  assertEquals(parentOf(found), parentOf(path));
  assertEquals(utf8Length(found), 4096);
  assertEquals(nameOf(found), `${"n".repeat(24)} ${MARK}.txt`);
});

Deno.test("conflict name: where there is no room for one, it goes to a directory above", () => {
  const path = deepPath(4095, "a");
  const found = conflictPath(path, "anna", TIME, free);
  assertEquals(nameOf(found), `a ${MARK}`);
  assertEquals(parentOf(found), parentOf(parentOf(path)!));
});

Deno.test("conflict name: it is always a valid, free path beside the other or above", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 }).filter((name) => {
    try {
      return parsePath(name) !== null && !name.includes("/");
    } catch {
      return false;
    }
  });
  const anyPath = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parsePath(parts.join("/")));
  fc.assert(
    fc.property(anyPath, fc.string({ unit: "binary", maxLength: 80 }), fc.nat(5), (path, user, used) => {
      const taken = new Set<SyncPath>([path]);
      for (let i = 0; i <= used; i++) {
        const found = conflictPath(path, user, TIME, (other) => taken.has(other));
        assertEquals(parsePath(found), found);
        assert(!taken.has(found));
        assertEquals(parentOf(found), parentOf(path));
        taken.add(found);
      }
    }),
  );
});
