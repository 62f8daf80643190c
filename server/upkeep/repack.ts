/**
 * Rewrites packs: those that hold much garbage, and those that are still as uploads left them. Contents that are alike,
 * the versions of one file, come to lie side by side and are packed strongly; garbage is left behind. The order: new
 * block durable, places moved in one transaction, and a pack goes only when nothing is placed in it.
 */
import type { ContentId } from "../../core/entry.ts";
import { BLOCK_BYTES_MAX } from "../../protocol/limits.ts";
import { chunkId } from "../store/_archived_contents.ts";
import { ContentsError, type Location } from "../store/contents.ts";
import type { Located } from "../store/upkeep_records.ts";
import { noteStep, storeBatch, type UpkeepParts } from "./parts.ts";
import { packStrongly } from "./strong_block.ts";

export interface Repacked {
  /** Packs that were removed. */
  readonly packs: number;
  /** What the packs weigh less than before, bytes. */
  readonly bytes: number;
  /** Contents that are damaged; their packs stay. */
  readonly damaged: readonly ContentId[];
}

export interface RepackOptions {
  /** Packs as uploads left them are rewritten when they come to this many bytes together. */
  readonly looseBytesMin: number;
  readonly signal?: AbortSignal;
}

/** Packs that were written by {@link repack}, as a JSON list of their numbers. */
const TIDY_SETTING = "store.tidy-packs";
/** A tidy pack is rewritten when more than this part of it is garbage: each rewrite frees at least a third as much. */
const GARBAGE_RATIO_MAX = 0.25;

/** @throws {ContentsError | RecordsError} what was moved by then stays, and the next run goes on */
export async function repack(parts: UpkeepParts, options: RepackOptions): Promise<Repacked> {
  const before = totalSize(parts);
  const chosen = choose(parts, options.looseBytesMin);
  const damaged: ContentId[] = [];
  if (chosen.length > 0) {
    const first = await parts.between(() => parts.contents.sealPack());
    const located = chosen.flatMap((pack) => pack < first ? parts.own.located(pack) : []);
    const order = await orderOf(parts, new Set(located.map(({ content }) => content)));
    const rank = ({ content }: Located) => order.get(content) ?? order.size;
    await rewrite(parts, located.sort((a, b) => rank(a) - rank(b)), damaged, options.signal);
    await parts.between(() => markTidy(parts, first, parts.contents.sealPack()));
  }
  const packs = await parts.between(() => removeEmpty(parts));
  return { packs, bytes: Math.max(0, before - totalSize(parts)), damaged };
}

function totalSize({ contents }: UpkeepParts): number {
  return contents.packs().reduce((sum, { size }) => sum + size, 0);
}

function choose(parts: UpkeepParts, looseBytesMin: number): number[] {
  const tidy = tidyPacks(parts);
  const packs = parts.contents.packs();
  const loose = packs.filter(({ number }) => !tidy.has(number));
  const looseBytes = loose.reduce((sum, { size }) => sum + size, 0);
  const live = parts.own.bytesByPack();
  const wasteful = packs.filter(({ number }) => {
    const raw = parts.contents.rawBytes(number);
    return raw > 0 && 1 - (live.get(number) ?? 0) / raw > GARBAGE_RATIO_MAX;
  });
  const chosen = new Set(wasteful.map(({ number }) => number));
  if (looseBytes > 0 && looseBytes >= looseBytesMin) { for (const { number } of loose) chosen.add(number); }
  return [...chosen].sort((a, b) => a - b);
}

/** By path, then place in the file, then revision: so the versions of one piece of one file are neighbours. */
async function orderOf(parts: UpkeepParts, wanted: ReadonlySet<ContentId>): Promise<Map<ContentId, number>> {
  const order = new Map<ContentId, number>();
  let path: string | null = null;
  let pieces: { readonly content: ContentId; readonly at: number }[] = [];
  const take = () => {
    for (const { content } of pieces.sort((a, b) => a.at - b.at)) {
      if (!order.has(content)) order.set(content, order.size);
    }
    pieces = [];
  };
  let seen = 0;
  for (const version of parts.own.versions()) {
    if (++seen % 1000 === 0) await parts.clock.yield();
    if (version.path !== path) take();
    path = version.path;
    if (version.entry?.kind !== "file") continue;
    const { content, size } = version.entry;
    if (wanted.has(content)) pieces.push({ content, at: 0 });
    const chunks = parts.own.chunkList(content);
    const offsets = chunks?.offsets();
    for (let i = 0; i < (chunks?.length ?? 0); i++) {
      const chunk = chunkId(chunks!, i);
      if (wanted.has(chunk)) pieces.push({ content: chunk, at: offsets![i]! / size });
    }
  }
  take();
  return order;
}

async function rewrite(
  parts: UpkeepParts,
  located: readonly Located[],
  damaged: ContentId[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let waiting: { readonly id: ContentId; readonly from: Location; readonly bytes: Uint8Array }[] = [];
  let bytes = 0;
  const store = async () => {
    if (waiting.length === 0) return;
    const block = packStrongly(waiting.map(({ bytes }) => bytes));
    const items = waiting.map(({ id, bytes }) => ({ id, size: bytes.length }));
    const from = waiting.map(({ from }) => from);
    await storeBatch(parts, { block, parts: items }, (places) => {
      parts.own.move(places.map(([content, to], i) => ({ content, from: from[i]!, to })));
    });
    waiting = [];
    bytes = 0;
  };
  for (const { content, location } of located) {
    if (signal?.aborted) return;
    const read = readOrNull(parts, content, location);
    if (read === null) {
      damaged.push(content);
      continue;
    }
    if (bytes + read.length > BLOCK_BYTES_MAX) await store();
    waiting.push({ id: content, from: location, bytes: read });
    bytes += read.length;
  }
  await store();
}

function readOrNull({ contents }: UpkeepParts, content: ContentId, location: Location): Uint8Array | null {
  try {
    return contents.read(content, location);
  } catch (error) {
    if (error instanceof ContentsError) return null;
    throw error;
  }
}

/** The pack that the records end in stays, even empty: it is how a start knows that nothing is missing. */
function removeEmpty(parts: UpkeepParts): number {
  const used = parts.own.bytesByPack();
  const end = parts.own.packEnd().pack;
  let removed = 0;
  for (const { number } of parts.contents.packs()) {
    if (used.has(number) || number >= end) continue;
    parts.contents.removePack(number);
    removed++;
    noteStep(parts, "pack removed");
  }
  return removed;
}

function tidyPacks({ records }: UpkeepParts): Set<number> {
  try {
    const numbers: unknown = JSON.parse(records.setting(TIDY_SETTING) ?? "[]");
    return new Set(Array.isArray(numbers) ? numbers.filter((number) => typeof number === "number") : []);
  } catch {
    // It only saves work.
    return new Set();
  }
}

function markTidy(parts: UpkeepParts, first: number, end: number): void {
  const exist = parts.contents.packs().map(({ number }) => number);
  const tidy = tidyPacks(parts);
  for (const number of exist) if (number >= first && number < end) tidy.add(number);
  const list = exist.filter((number) => tidy.has(number));
  parts.records.setSetting(TIDY_SETTING, JSON.stringify(list));
  noteStep(parts, "marked");
}
