import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ContentId, Entry } from "./entry.ts";
import { type HeadView, type Incoming, judgeDelete, judgePut } from "./judge.ts";

const YEAR = 365 * 86_400_000;

const file = (content: string, mtime = 1000, mode = 0o644): Entry => ({
  kind: "file",
  size: content.length,
  mtime,
  mode,
  content: content as ContentId,
});
const dir = (mode = 0o755): Entry => ({ kind: "dir", mode });
const link = (target: string): Entry => ({ kind: "link", target });

/** A head of revision 5 by replica A, accepted at 2000 by a right clock. */
const head = (entry: Entry, rest: Partial<HeadView> = {}): HeadView => ({
  entry,
  revision: 5,
  replica: "A",
  time: 2000,
  clockOffset: 0,
  ...rest,
});
/** A change by replica B, made on an older version, that arrives at 3000. */
const from = (rest: Partial<Incoming> = {}): Incoming => ({
  base: 3,
  replica: "B",
  time: 3000,
  clockOffset: 0,
  ...rest,
});

interface PutCase {
  name: string;
  head: HeadView | null;
  holds?: boolean;
  entry: Entry;
  incoming?: Incoming;
  verdict: string;
}

const PUTS: readonly PutCase[] = [
  { name: "nothing is there", head: null, entry: file("b"), verdict: "accept" },
  { name: "it was deleted meanwhile, an edit beats that", head: null, entry: file("b"), verdict: "accept" },
  {
    name: "made on the head",
    head: head(file("a")),
    entry: file("b"),
    incoming: from({ base: 5 }),
    verdict: "accept",
  },
  {
    name: "an older time, but made on the head",
    head: head(file("a", 9000)),
    entry: file("b", 1),
    incoming: from({ base: 5 }),
    verdict: "accept",
  },
  {
    name: "the replica's own head, its answer was lost",
    head: head(file("a", 9000)),
    entry: file("b", 1),
    incoming: from({ replica: "A" }),
    verdict: "accept",
  },

  { name: "the same entry", head: head(file("a")), entry: file("a"), verdict: "skip" },
  { name: "the same link", head: head(link("t")), entry: link("t"), verdict: "skip" },
  {
    name: "the same directory, which holds something",
    head: head(dir()),
    holds: true,
    entry: dir(),
    verdict: "skip",
  },
  { name: "the same bytes, older", head: head(file("a", 1000)), entry: file("a", 999), verdict: "skip" },
  { name: "the same bytes, newer", head: head(file("a", 1000)), entry: file("a", 1001), verdict: "accept" },
  {
    name: "the same bytes at the same time, other bits",
    head: head(file("a")),
    entry: file("a", 1000, 0o755),
    verdict: "skip",
  },
  {
    name: "the same bytes, other bits, made on the head",
    head: head(file("a")),
    entry: file("a", 1000, 0o755),
    incoming: from({ base: 5 }),
    verdict: "accept",
  },

  {
    name: "other bytes, newer",
    head: head(file("a", 1000)),
    entry: file("b", 1001),
    verdict: "conflict, incoming wins",
  },
  {
    name: "other bytes, older",
    head: head(file("a", 1000)),
    entry: file("b", 999),
    verdict: "conflict, head wins",
  },
  {
    name: "other bytes at the same time: the later arrival",
    head: head(file("a", 1000)),
    entry: file("b", 1000),
    verdict: "conflict, incoming wins",
  },
  {
    name: "never synced before (base 0)",
    head: head(file("a", 1000)),
    entry: file("b", 999),
    incoming: from({ base: 0 }),
    verdict: "conflict, head wins",
  },
  {
    name: "a base of the future is no base",
    head: head(file("a", 1000)),
    entry: file("b", 999),
    incoming: from({ base: 99 }),
    verdict: "conflict, head wins",
  },
  {
    name: "newer by a clock ten years ahead, older in truth",
    head: head(file("a", 1000)),
    entry: file("b", 999 + 10 * YEAR),
    incoming: from({ clockOffset: 10 * YEAR }),
    verdict: "conflict, head wins",
  },
  {
    name: "older by a clock a year behind, newer in truth",
    head: head(file("a", 1000)),
    entry: file("b", 1001 - YEAR),
    incoming: from({ clockOffset: -YEAR }),
    verdict: "conflict, incoming wins",
  },
  {
    name: "the head's clock was ten years ahead",
    head: head(file("a", 1000 + 10 * YEAR), { clockOffset: 10 * YEAR }),
    entry: file("b", 1001),
    verdict: "conflict, incoming wins",
  },
  {
    name: "both clocks wrong, equal in truth",
    head: head(file("a", 1000 + YEAR), { clockOffset: YEAR }),
    entry: file("b", 1000 - YEAR),
    incoming: from({ clockOffset: -YEAR }),
    verdict: "conflict, incoming wins",
  },
  {
    name: "two links: the later arrival, whatever the clocks say",
    head: head(link("a"), { clockOffset: -YEAR }),
    entry: link("b"),
    incoming: from({ clockOffset: YEAR }),
    verdict: "conflict, incoming wins",
  },
  {
    name: "a link against a file written before it arrived",
    head: head(file("a", 2999)),
    entry: link("t"),
    verdict: "conflict, incoming wins",
  },
  {
    name: "a file older than the arrival of the link there",
    head: head(link("t")),
    entry: file("b", 1999),
    verdict: "conflict, head wins",
  },

  { name: "a file for an empty directory", head: head(dir()), entry: file("b"), verdict: "accept" },
  { name: "a link for an empty directory", head: head(dir()), entry: link("t"), verdict: "accept" },
  {
    name: "a file for a directory that holds something",
    head: head(dir()),
    holds: true,
    entry: file("b"),
    verdict: "clash, incoming steps aside",
  },
  {
    name: "the same by who saw the directory: what it holds is not destroyed",
    head: head(dir()),
    holds: true,
    entry: file("b"),
    incoming: from({ base: 5, replica: "A" }),
    verdict: "clash, incoming steps aside",
  },
  {
    name: "a directory for another's file",
    head: head(file("a")),
    entry: dir(),
    verdict: "clash, head steps aside",
  },
  {
    name: "a directory for another's link",
    head: head(link("t")),
    entry: dir(),
    verdict: "clash, head steps aside",
  },
  {
    name: "a directory for the file it was made on",
    head: head(file("a")),
    entry: dir(),
    incoming: from({ base: 5 }),
    verdict: "accept",
  },
  { name: "a directory of other bits", head: head(dir(0o700)), entry: dir(), verdict: "accept" },
  {
    name: "a directory of other bits, at the first meeting",
    head: head(dir(0o700)),
    entry: dir(),
    incoming: from({ base: 0 }),
    verdict: "skip",
  },
];

function put({ head, holds = false, entry, incoming = from() }: PutCase): string {
  const verdict = judgePut(head, holds, entry, incoming);
  if (verdict.verdict === "conflict") return `conflict, ${verdict.winner} wins`;
  return verdict.verdict === "clash" ? `clash, ${verdict.aside} steps aside` : verdict.verdict;
}

for (const one of PUTS) {
  Deno.test(`judge: ${one.name} → ${one.verdict}`, () => assertEquals(put(one), one.verdict));
}

Deno.test("judge: a conflict tells both times in the server's clock", () => {
  const verdict = judgePut(
    head(file("a", 1000 + YEAR), { clockOffset: YEAR }),
    false,
    file("b", 900 - YEAR),
    from({ clockOffset: -YEAR }),
  );
  assertEquals(verdict, { verdict: "conflict", winner: "head", incomingTime: 900, headTime: 1000 });
});

const DELETES: readonly {
  name: string;
  head: HeadView | null;
  holds?: boolean;
  by?: Incoming;
  verdict: string;
}[] = [
  { name: "nothing is there", head: null, verdict: "skip" },
  { name: "the version it saw", head: head(file("a")), by: from({ base: 5 }), verdict: "accept" },
  { name: "its own version", head: head(file("a")), by: from({ replica: "A" }), verdict: "accept" },
  { name: "an edit it did not see", head: head(file("a")), verdict: "stale" },
  { name: "a link it did not see", head: head(link("t")), verdict: "stale" },
  { name: "an empty directory", head: head(dir()), by: from({ base: 5 }), verdict: "accept" },
  { name: "an empty directory whose bits others changed", head: head(dir()), verdict: "accept" },
  {
    name: "a directory that holds something",
    head: head(dir()),
    holds: true,
    by: from({ base: 5 }),
    verdict: "stale",
  },
  {
    name: "its own directory that holds something",
    head: head(dir()),
    holds: true,
    by: from({ replica: "A" }),
    verdict: "stale",
  },
];

for (const { name, head, holds = false, by = from(), verdict } of DELETES) {
  Deno.test(`judge: delete of ${name} → ${verdict}`, () =>
    assertEquals(judgeDelete(head, holds, by), verdict));
}

const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    content: fc.constantFrom("a", "b"),
    mtime: fc.constantFrom(1, 2, 3),
    mode: fc.constantFrom(0o644, 0o755),
  })
    .map(({ content, mtime, mode }) => file(content, mtime, mode)),
  fc.constantFrom(dir(0o755), dir(0o700), link("t"), link("u")),
);
const offset = fc.constantFrom(0, YEAR, -10 * YEAR);
const anyHead = fc.record({ entry: anyEntry, clockOffset: offset }).map(({ entry, ...rest }) =>
  head(entry, rest)
);
const anyIncoming = fc.record({
  base: fc.constantFrom(0, 3, 5),
  replica: fc.constantFrom("A", "B"),
  clockOffset: offset,
})
  .map(from);

Deno.test("judge: equal contents never conflict, and who saw the head never does", () => {
  fc.assert(
    fc.property(anyHead, fc.boolean(), anyEntry, anyIncoming, (there, holds, entry, incoming) => {
      const { verdict } = judgePut(there, holds, entry, incoming);
      if (verdict !== "conflict") return;
      assertEquals(there.entry.kind !== "dir" && entry.kind !== "dir", true);
      assertEquals([incoming.base === there.revision, incoming.replica === there.replica], [false, false]);
      if (there.entry.kind === "file" && entry.kind === "file") {
        assertEquals(there.entry.content === entry.content, false);
      }
    }),
  );
});

Deno.test("judge: wrong clocks whose offsets are known change no verdict", () => {
  const shifted = (entry: Entry, by: number): Entry =>
    entry.kind === "file" ? { ...entry, mtime: entry.mtime + by } : entry;
  fc.assert(
    fc.property(anyEntry, anyEntry, offset, offset, (there, entry, mine, theirs) => {
      const right = judgePut(head(there), false, entry, from());
      const wrong = judgePut(
        head(shifted(there, theirs), { clockOffset: theirs }),
        false,
        shifted(entry, mine),
        from({ clockOffset: mine }),
      );
      // The same entry under two clocks is not the same to the eye, but never more than news of a time.
      if (right.verdict === "skip" || right.verdict === "accept") {
        return assertEquals(["skip", "accept"].includes(wrong.verdict), true);
      }
      assertEquals(wrong, right);
    }),
  );
});
