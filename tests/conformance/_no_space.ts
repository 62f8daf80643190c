/**
 * Fills a store on a tiny file system until there is no room, and prints what happened as JSON. Run by
 * `no_space_test.ts` inside a mount namespace.
 */
import { parsePath } from "../../core/path.ts";
import { openState } from "../../client/sqlite_state.ts";
import { StateError } from "../../client/state.ts";
import { ContentsError, type Location } from "../../server/store/contents.ts";
import { openContents } from "../../server/store/pack_contents.ts";
import { openRecords } from "../../server/store/sqlite_records.ts";
import { RecordsError } from "../../server/store/records.ts";
import { systemClock } from "../../system/clock.ts";
import { systemRandom } from "../../system/random.ts";
import type { ContentId } from "../../core/entry.ts";
import { append, delivery, large, noise, readAll, store } from "./contents_suite.ts";

const dir = Deno.args[0]!;
const ballast = `${dir}/ballast`;

/** Takes all room that is left but `bytes`. */
function leaveRoom(bytes: number): void {
  using file = Deno.openSync(ballast, { write: true, create: true, append: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch {
    // Full.
  }
  file.truncateSync(Math.max(0, file.statSync().size - bytes));
}

async function smallContents(): Promise<unknown> {
  const contents = openContents(`${dir}/.fsync`, { end: { pack: 0, offset: 0 } });
  const stored: (readonly [ContentId, Location])[] = [...append(contents, [noise(1000, 1)])];
  await contents.sync();
  leaveRoom(40_000);
  const code = codeOf(() => append(contents, [noise(200_000, 2)]));
  const size = Deno.statSync(`${dir}/.fsync/packs/000001.pack`).size;
  // What was taken back is room for others.
  stored.push(...append(contents, [noise(20_000, 3)]));
  await contents.sync();
  const sizes = stored.map(([id, location]) => contents.read(id, location).length);
  contents.close();
  Deno.removeSync(ballast);
  return { code, cutBackTo: size === stored[0]![1].length, sizes };
}

async function largeContent(): Promise<unknown> {
  const contents = openContents(`${dir}/.fsync`, { end: { pack: 0, offset: 0 } });
  const content = large(noise(400_000, 4));
  leaveRoom(200_000);
  const incoming = await contents.receive(content.id, content.bytes.length, null);
  let code: unknown = null;
  for (const { ops, bytes } of delivery(content, null)) {
    code = await incoming.accept(ops, bytes).then(() => null, (error: ContentsError) => error.code);
    if (code !== null) break;
  }
  incoming.pause();
  Deno.removeSync(ballast);
  const again = await contents.receive(content.id, content.bytes.length, null);
  const resumed = again.chunks > 0;
  again.pause();
  await store(contents, content).catch(() => {});
  contents.dropLarge(content.id);
  await store(contents, content);
  const good = readAll(contents, content).length;
  contents.dropLarge(content.id);
  contents.close();
  return { code, resumed, good };
}

function records(): unknown {
  const records = openRecords(`${dir}/records.db`, systemRandom, systemClock);
  const rest = { operation: "created", base: 0, from: null, time: 1, clockOffset: 0, head: true } as const;
  const author = { user: "ann", device: "laptop", replica: "7".repeat(32) };
  const entry = { kind: "link", target: "x".repeat(2000) } as const;
  const commit = (first: number, count: number) =>
    records.commit({
      versions: Array.from(
        { length: count },
        (_, i) => ({ path: parsePath(`${first + i}`), revision: first + i, entry, ...author, ...rest }),
      ),
      conflicts: [],
      locations: [],
      chunkLists: [],
    });
  commit(1, 1);
  leaveRoom(60_000);
  const code = codeOf(() => commit(2, 200));
  const head = records.headRevision();
  Deno.removeSync(ballast);
  commit(2, 20);
  const healed = records.headsSince(0, null, 100).length;
  records.close();
  return { code, head, healed };
}

function state(): unknown {
  const state = openState(`${dir}/state.db`, systemRandom);
  const row = { entry: { kind: "link", target: "x".repeat(2000) }, revision: 1, stat: null } as const;
  const write = (count: number) =>
    state.write({ set: Array.from({ length: count }, (_, i) => [parsePath(`${i}`), row, null] as const) });
  write(1);
  leaveRoom(60_000);
  const code = codeOf(() => write(200));
  const rows = state.load().size;
  Deno.removeSync(ballast);
  write(20);
  const healed = state.load().size;
  state.close();
  return { code, rows, healed };
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    const ours = error instanceof ContentsError || error instanceof RecordsError ||
      error instanceof StateError;
    return ours ? error.code : String(error);
  }
}

console.log(JSON.stringify({
  small: await smallContents(),
  large: await largeContent(),
  records: records(),
  state: state(),
}));
