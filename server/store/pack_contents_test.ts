/** What only the real store has: files that a crash leaves torn, and whom they belong to. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { systemClock } from "../../system/clock.ts";
import { append, delivery, large, noise, readAll, store } from "../../tests/conformance/contents_suite.ts";
import { ContentsError, type Location, type PackEnd } from "./contents.ts";
import { type ContentsOptions, openContents, type PackContents } from "./pack_contents.ts";
import { HEADER_BYTES } from "./_pack_format.ts";

const NONE: PackEnd = { pack: 0, offset: 0 };
const text = (value: string) => new TextEncoder().encode(value);

class Place {
  readonly root = Deno.makeTempDirSync();
  readonly dir = `${this.root}/.fsync`;

  pack(number: number): string {
    return `${this.dir}/packs/${String(number).padStart(6, "0")}.pack`;
  }

  async with<T>(
    options: Partial<ContentsOptions>,
    body: (contents: PackContents) => Promise<T> | T,
  ): Promise<T> {
    const contents = openContents(this.dir, { end: NONE, ...options });
    try {
      return await body(contents);
    } finally {
      contents.close();
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function endOf({ pack, offset, length }: Location): PackEnd {
  return { pack, offset: offset + length };
}

/** Stores `parts` one block each, durably. */
async function fill(contents: PackContents, parts: readonly string[]) {
  const stored = parts.map((part) => append(contents, [text(part)])[0]!);
  await contents.sync();
  return stored;
}

Deno.test("a pack that was cut anywhere in its tail keeps what is recorded, and goes on behind it", async () => {
  using place = new Place();
  const [recorded, tail] = await place.with({}, (contents) => fill(contents, ["recorded", "not yet"]));
  const whole = Deno.readFileSync(place.pack(1));
  const end = endOf(recorded![1]);
  for (let size = end.offset; size < whole.length; size++) {
    Deno.writeFileSync(place.pack(1), whole.subarray(0, size));
    await place.with({ end }, async (contents) => {
      assertEquals(contents.problem, null);
      assertEquals(contents.read(...recorded!), text("recorded"));
      const [next] = await fill(contents, ["next"]);
      assertEquals(endOf(next![1]), { pack: 1, offset: end.offset + HEADER_BYTES + 4 });
      assertEquals(contents.read(...next!), text("next"));
      assertThrows(() => contents.read(...tail!), ContentsError);
    });
  }
});

Deno.test("a tail of zeros or of noise is cut off", async () => {
  for (const tail of [new Uint8Array(5000), noise(5000, 3)]) {
    using place = new Place();
    const [recorded] = await place.with({}, (contents) => fill(contents, ["recorded"]));
    const end = endOf(recorded![1]);
    Deno.writeFileSync(place.pack(1), tail, { append: true });
    await place.with({ end }, async (contents) => {
      const [next] = await fill(contents, ["next"]);
      assertEquals(next![1].offset, end.offset);
      assertEquals(contents.read(...recorded!), text("recorded"));
    });
  }
});

Deno.test("a whole block that nobody recorded stays: the records may be an older copy", async () => {
  using place = new Place();
  const options = { packBytesMax: 60 };
  const stored = await place.with(
    options,
    (contents) => fill(contents, ["one", "two", "three", "four", "five"]),
  );
  assert(stored[4]![1].pack > stored[0]![1].pack);
  for (const end of [NONE, endOf(stored[0]![1])]) {
    await place.with({ ...options, end }, async (contents) => {
      assertEquals(contents.problem, null);
      await fill(contents, ["new"]);
      assertEquals(contents.read(...stored[1]!), text("two"));
      assertEquals(contents.read(...stored[4]!), text("five"));
    });
  }
});

Deno.test("where recorded bytes are missing, the rest is served and new blocks go elsewhere", async () => {
  using place = new Place();
  const [first, second] = await place.with({}, (contents) => fill(contents, ["first", "second"]));
  const end = endOf(second![1]);
  Deno.truncateSync(place.pack(1), end.offset - 1);
  await place.with({ end }, async (contents) => {
    assert(contents.problem?.includes("shorter than what is recorded"));
    assertEquals(contents.read(...first!), text("first"));
    assertThrows(() => contents.read(...second!), ContentsError);
    const [next] = await fill(contents, ["next"]);
    assertEquals(next![1].pack, 2);
  });
  Deno.removeSync(place.pack(1));
  await place.with({ end }, (contents) => {
    assert(contents.problem !== null);
    assertEquals((assertThrows(() => contents.read(...first!)) as ContentsError).code, "missing");
  });
});

Deno.test("each bit of a stored block counts", async () => {
  using place = new Place();
  const [stored] = await place.with({}, (contents) => fill(contents, ["content"]));
  const good = Deno.readFileSync(place.pack(1));
  for (let at = 0; at < good.length; at++) {
    const bad = good.slice();
    bad[at]! ^= 1 << (at % 8);
    Deno.writeFileSync(place.pack(1), bad);
    await place.with({ end: endOf(stored![1]) }, (contents) => {
      const error = assertThrows(() => contents.read(...stored!), ContentsError) as ContentsError;
      assertEquals(error.code, "corrupt", `byte ${at}`);
    });
  }
});

Deno.test("a block has the format that is written down", async () => {
  using place = new Place();
  await place.with({}, (contents) => fill(contents, ["hello"]));
  const bytes = Deno.readFileSync(place.pack(1));
  assertEquals(
    bytes.toHex(),
    "46534231" + "00" + "000000" + "05000000" + "05000000" + "92d4ce3b" + "68656c6c6f",
  );
});

Deno.test("a location beyond all bounds is damage, not memory", async () => {
  using place = new Place();
  await place.with({}, async (contents) => {
    const [[id, location]] = await fill(contents, ["x"]) as [[never, Location]];
    for (const length of [0, HEADER_BYTES - 1, 2 ** 31]) {
      const error = assertThrows(() => contents.read(id, { ...location, length })) as ContentsError;
      assertEquals(error.code, "corrupt");
    }
  });
});

Deno.test("a pack that cannot be made harms no other", async () => {
  using place = new Place();
  await place.with({ packBytesMax: 64 }, async (contents) => {
    const [first] = await fill(contents, ["first"]);
    Deno.mkdirSync(place.pack(2));
    assertThrows(() => append(contents, [noise(1000, 5)]), ContentsError);
    Deno.removeSync(place.pack(2));
    const [next] = await fill(contents, ["second, of which a pack of 64 bytes has no room"]);
    assertEquals(next![1].pack, 2);
    assertEquals(contents.read(...next!), text("second, of which a pack of 64 bytes has no room"));
    assertEquals(contents.read(...first!), text("first"));
  });
});

Deno.test("everything is its owner's alone", async () => {
  using place = new Place();
  const old = Deno.umask(0);
  try {
    await place.with({}, async (contents) => {
      await fill(contents, ["x"]);
      const content = large(noise(300_000, 2));
      await store(contents, content);
      const half = large(noise(300_000, 3));
      const incoming = await contents.receive(half.id, half.bytes.length, null);
      const { ops, bytes } = delivery(half, null)[0]!;
      await incoming.accept(ops, bytes);
      incoming.pause();
      assertEquals(modes(place.dir), [
        ["", 0o700],
        ["/incoming", 0o700],
        [`/incoming/${half.id}.part`, 0o600],
        ["/large", 0o700],
        [`/large/${content.id}`, 0o600],
        ["/packs", 0o700],
        ["/packs/000001.pack", 0o600],
      ]);
    });
  } finally {
    Deno.umask(old);
  }
});

function modes(dir: string): [string, number][] {
  const found: [string, number][] = [];
  const walk = (path: string) => {
    const info = Deno.lstatSync(path);
    found.push([path.slice(dir.length), info.mode! & 0o777]);
    if (info.isDirectory) { for (const { name } of Deno.readDirSync(path)) walk(`${path}/${name}`); }
  };
  walk(dir);
  return found.sort(([a], [b]) => a < b ? -1 : 1);
}

Deno.test("a large content that could not be made durable is not there", async () => {
  using place = new Place();
  const content = large(noise(300_000, 2));
  const syncData = () => Promise.reject(new Error("input/output error"));
  await place.with({ syncData }, async (contents) => {
    await assertRejects(() => store(contents, content), ContentsError, "durable");
    assertEquals(contents.hasLarge(content.id), false);
    assertEquals([...Deno.readDirSync(`${place.dir}/incoming`)], []);
  });
  await place.with({}, async (contents) => {
    await store(contents, content);
    assertEquals(readAll(contents, content), content.bytes);
  });
});

Deno.test("taking much from a base lets other work run", async () => {
  using place = new Place();
  let yields = 0;
  const clock = { ...systemClock, yield: () => (yields++, Promise.resolve()) };
  const base = large(noise(9_000_000, 5));
  const target = large(new Uint8Array([1, ...base.bytes]));
  await place.with({ clock }, async (contents) => {
    await store(contents, base);
    const incoming = await contents.receive(target.id, target.bytes.length, base);
    const [head, ...rest] = delivery(target, base);
    await incoming.accept(head!.ops, head!.bytes);
    yields = 0;
    for (const { ops, bytes } of rest) await incoming.accept(ops, bytes);
    assert(yields >= 1, `${yields} yields`);
    await incoming.finish();
    assertEquals(readAll(contents, target), target.bytes);
  });
});

Deno.test("an upload that nobody went on with is forgotten after a week", async () => {
  using place = new Place();
  const content = large(noise(300_000, 2));
  const { ops, bytes } = delivery(content, null)[0]!;
  await place.with({}, async (contents) => {
    const incoming = await contents.receive(content.id, content.bytes.length, null);
    await incoming.accept(ops, bytes);
    incoming.pause();
  });
  const later = (days: number) => ({ ...systemClock, now: () => Date.now() + days * 24 * 3_600_000 });
  const left = () => [...Deno.readDirSync(`${place.dir}/incoming`)].length;
  await place.with({ clock: later(6) }, () => assertEquals(left(), 1));
  await place.with({ clock: later(8) }, () => assertEquals(left(), 0));
});
