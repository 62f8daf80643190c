/**
 * Two groups with grants for different parts of a folder, random work by both and by the owner, over the real stores:
 * nothing of the one's part is found in what the other was sent.
 */
import { assert, assertEquals } from "@std/assert";
import { parsePath, type SyncPath } from "../core/path.ts";
import type { UploadResult } from "../protocol/messages.ts";
import { large } from "../tests/conformance/contents_suite.ts";
import { copyOf, dirOf, type FreeClient, gone, Hub, renamed, type Sent } from "../tests/fakes/free_client.ts";
import { Haystack } from "../tests/fakes/haystack.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { OpenStore, StorePlace } from "../tests/fakes/store_place.ts";
import { attacks, type Group, groupRights, isLast, type Known, PLACES } from "../tests/fakes/two_groups.ts";

const BASE_SEED = BigInt(Deno.env.get("FSYNC_SIM_SEED") ?? "1");
const p = parsePath;

/** A secret is a random word that stands in a name or a content of one group's part, or a digest of such a content. */
class Secrets {
  readonly words = new Set<string>();
  readonly digests = new Map<string, Uint8Array>();
  readonly #random: SeededRandom;
  #count = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  word(): string {
    return `${this.#random.bytes(6).toHex()}${++this.#count}`;
  }
}

class Run implements AsyncDisposable {
  readonly random: SeededRandom;
  readonly hub: Hub;
  readonly clients: Readonly<Record<"rita" | "rosa" | "bea" | "olga", FreeClient>>;
  readonly secrets: Readonly<Record<Group, Secrets>>;
  /** Files that ever were, by group that made them. */
  readonly known: Record<Group, Known[]> = { red: [], blue: [] };
  /** Words that stand, or stood, where others may look too. */
  readonly exposed = new Set<string>();
  readonly #place = new StorePlace();
  readonly #store: OpenStore;

  constructor(seed: bigint) {
    this.random = new SeededRandom(seed);
    this.#store = new OpenStore(`${this.#place.root}/a`);
    this.hub = new Hub(this.#store);
    this.secrets = { red: new Secrets(this.random.fork()), blue: new Secrets(this.random.fork()) };
    this.clients = {
      rita: this.hub.client("rita", groupRights("red")),
      rosa: this.hub.client("rosaREDAUTHOR", groupRights("red", { both: "none" })),
      bea: this.hub.client("bea", groupRights("blue")),
      olga: this.hub.olga,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]();
    this.#store.close();
    this.#place[Symbol.dispose]();
  }

  get files(): SyncPath[] {
    const files = [...this.hub.folder.heads.entries()].filter(([, { entry }]) => entry.kind === "file");
    return files.map(([path]) => path).sort();
  }

  /** The group whose own place `path` is in. */
  ownerOf(path: string): Group | null {
    for (const group of ["red", "blue"] as const) {
      if (PLACES[group].some((place) => place !== "both" && path.startsWith(`${place}/`))) return group;
    }
    return null;
  }

  /** A new name in `place`; it and what is in it are secret if the place is one group's. */
  name(place: string): string {
    const group = this.ownerOf(`${place}/`);
    const word = this.secrets[group ?? "red"].word();
    if (group !== null) this.secrets[group].words.add(word);
    return `${place}/n-${word}`;
  }

  bytes(place: string): Uint8Array {
    const group = this.ownerOf(`${place}/`);
    const word = this.secrets[group ?? "red"].word();
    const isLarge = this.random.chance(0.15);
    const size = isLarge ? 140_000 + this.random.int(60_000) : 80 + this.random.int(200);
    const filled = isLarge ? this.random.bytes(size) : new Uint8Array(size).fill(46);
    filled.set(new TextEncoder().encode(`c-${word}`), this.random.int(size - 60));
    if (group === null) return filled;
    this.secrets[group].words.add(word);
    this.secrets[group].digests.set(word, digestOf(filled));
    return filled;
  }

  /** Secrets of a group that are in `bytes` or `path` have come to where others may look, if it is not its own place. */
  expose(path: string, bytes: Uint8Array): void {
    const text = new TextDecoder("latin1").decode(bytes);
    for (const group of ["red", "blue"] as const) {
      if (this.ownerOf(path) === group) continue;
      for (const word of this.secrets[group].words) {
        if (path.includes(word) || text.includes(word)) this.exposed.add(word);
      }
    }
  }

  async write(client: FreeClient, path: string, bytes: Uint8Array, base = 0): Promise<void> {
    const isLarge = bytes.length > 131_072;
    if (isLarge) await client.stageAll(large(bytes));
    const item: Sent = isLarge
      ? copyOf(path, bytes, { from: "staged" }, base)
      : { ...copyOf(path, bytes, { from: "inline" }, base), bytes };
    const [result] = await client.upload(item);
    this.note(path, bytes, result);
  }

  note(path: string, bytes: Uint8Array, result: UploadResult | undefined): void {
    if (result?.status !== "ok" && result?.status !== "conflict") return;
    const group = this.ownerOf(path);
    this.expose(path, bytes);
    this.known[group ?? (this.random.chance(0.5) ? "red" : "blue")].push({
      path: p(path),
      revision: result.revision,
      bytes,
    });
  }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  const { item } = copyOf("x", bytes, { from: "staged" });
  return Uint8Array.fromHex(item.op === "put" && item.entry.kind === "file" ? item.entry.content : "");
}

/** One random piece of honest work. */
async function work(run: Run): Promise<void> {
  const { random, clients, hub } = run;
  const who = random.pick(["rita", "rosa", "bea", "olga", "olga"] as const);
  const client = clients[who];
  const places = who === "olga"
    ? ["red", "blue", "both", "mixed/red", "mixed/blue"]
    : who === "bea"
    ? PLACES.blue
    : who === "rita"
    ? PLACES.red
    : ["red", "mixed/red"];
  const mine = run.files.filter((path) => places.some((place) => path.startsWith(`${place}/`)));
  const place = random.pick(places);
  const path = mine.length > 0 ? random.pick(mine) : null;
  const head = path === null ? null : hub.folder.heads.get(path);
  const act = random.weighted(
    [["new", 8], ["edit", 6], ["stale edit", 2], ["delete", 2], ["move", 5], ["dir", 2], ["copy", 3], [
      "list",
      3,
    ]] as const,
  );
  if (act === "list") return void await client.list(random.int(hub.folder.revision + 1), random.chance(0.7));
  if (act === "new" || path === null || head?.entry.kind !== "file") {
    return await run.write(client, run.name(place), run.bytes(place));
  }
  const inPlace = places.find((one) => path.startsWith(`${one}/`))!;
  if (act === "edit") return await run.write(client, path, run.bytes(inPlace), head.revision);
  if (act === "stale edit") {
    return await run.write(client, path, run.bytes(inPlace), random.int(head.revision));
  }
  if (act === "delete") return void await client.upload(gone(path, head.revision));
  const { content } = head.entry;
  const known = [...run.known.red, ...run.known.blue].find(({ bytes }) =>
    digestOf(bytes).toHex() === content
  );
  const bytes = known?.bytes ?? new Uint8Array(0);
  const to = act === "dir"
    ? run.name(place)
    : `${random.chance(0.3) ? directoryOf(run, place) : place}/${nameIn(run, place)}`;
  if (act === "dir") return void await client.upload(dirOf(to));
  if (act === "copy") {
    const source = { from: "version", path, revision: head.revision } as const;
    const [result] = await client.upload(copyOf(to, bytes, source));
    return run.note(to, bytes, result);
  }
  const [result] = await client.upload(renamed(path, to, head.revision, 1));
  run.note(to, bytes, result);
}

function directoryOf(run: Run, place: string): string {
  const dirs = [...run.hub.folder.heads.entries()].filter(([path, { entry }]) =>
    entry.kind === "dir" && path.startsWith(`${place}/`)
  );
  return dirs.length === 0 ? place : run.random.pick(dirs.map(([path]) => path).sort());
}

function nameIn(run: Run, place: string): string {
  return run.name(place).slice(place.length + 1);
}

/** The owner gives whole directories other names, also between the places of the groups. */
async function moveDirectory(run: Run): Promise<void> {
  const { random, hub } = run;
  const dirs = [...hub.folder.heads.entries()].filter(([path, { entry }]) =>
    entry.kind === "dir" && run.ownerOf(path) !== null
  ).map(([path]) => path).sort();
  if (dirs.length === 0) return;
  const from = random.pick(dirs);
  const subtree = hub.folder.heads.subtree(from);
  const group = run.ownerOf(from)!;
  // Inside the places of one group: what is secret stays so.
  const place = random.pick(PLACES[group].filter((one) => one !== "both"));
  await hub.olga.upload(renamed(from, run.name(place), hub.folder.revision, subtree.length));
}

for (let n = 0n; n < 3n; n++) {
  const seed = BASE_SEED + n;
  Deno.test(`leaks: nothing of a group's part reaches the other group, seed ${seed}`, async () => {
    await using run = new Run(seed);
    const { clients, random, hub } = run;
    await hub.olga.mkdir("red", "blue", "both", "mixed", "mixed/red", "mixed/blue");
    for (const client of Object.values(clients)) await client.list(0, true);
    for (let step = 0; step < 110; step++) {
      await work(run);
      if (random.chance(0.05)) await moveDirectory(run);
      if (!random.chance(0.15)) continue;
      const [group, attacker] = random.pick([["red", clients.bea], ["blue", clients.rita]] as const);
      const target = run.known[group].length > 0 ? random.pick(run.known[group]) : null;
      if (target === null || run.ownerOf(target.path) !== group) continue;
      const place = PLACES[group === "red" ? "blue" : "red"][0];
      const mine = run.files.find((path) => path.startsWith(`${place}/`)) ?? place;
      const head = hub.folder.heads.get(p(mine))!.revision;
      for (const message of attacks(target, { place, mine, head, conflict: 1 + random.int(9) })) {
        await attacker.ask(message, isLast);
      }
    }
    for (const client of Object.values(clients)) await client.settle();

    const [blue, red, owner] = [clients.bea, clients.rita, clients.olga].map(({ frames }) =>
      new Haystack(frames)
    );
    const found = (hay: Haystack, group: Group) => {
      const { words, digests } = run.secrets[group];
      const secret = [...words].filter((word) => !run.exposed.has(word));
      const shown = secret.filter((word) => hay.has(word));
      const hashes = secret.filter((word) => digests.has(word) && hay.has(digests.get(word)!));
      return { of: secret.length, shown, hashes };
    };
    assertEquals(found(blue!, "red").shown, [], "words of red in what blue was sent");
    assertEquals(found(blue!, "red").hashes, [], "digests of red in what blue was sent");
    assertEquals(found(red!, "blue").shown, [], "words of blue in what red was sent");
    assertEquals(found(red!, "blue").hashes, [], "digests of blue in what red was sent");
    assertEquals(blue!.has("REDAUTHOR"), false, "a user who worked only where blue may not look");
    // The search finds what is there.
    const own = found(red!, "red");
    assert(own.of > 10 && own.shown.length > 10 && own.hashes.length > 5, JSON.stringify(own.shown.length));
    assert(red!.has("REDAUTHOR") && owner!.has("REDAUTHOR"));
    assert(found(owner!, "blue").shown.length > 10 && run.exposed.size > 3);
  });
}
