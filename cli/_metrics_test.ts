import { assert, assertEquals } from "@std/assert";
import type { EngineStatus } from "../client/engine_status.ts";
import type { WatcherHealth } from "../watcher/watcher.ts";
import { type FolderNumbers, healthOf, metricsText } from "./_metrics.ts";

const watcher = {
  mode: "events",
  watched: 3,
  directories: 3,
  root: "present",
  reason: null,
  advice: null,
  lastOverflow: null,
} as WatcherHealth;

function folder(over: Partial<EngineStatus> = {}, health: Partial<WatcherHealth> = {}): FolderNumbers {
  const engine = {
    state: "in sync",
    connected: true,
    files: 5,
    pendingUp: 1,
    pendingDown: 0,
    transfers: 0,
    conflicts: 0,
    held: null,
    problems: [],
    lastFullLook: 2000,
    lastSync: 3000,
    reason: "",
    ...over,
  } as unknown as EngineStatus;
  return { name: 'a "b"\\c', engine, watcher: { ...watcher, ...health } };
}

Deno.test("metrics are in the format that Prometheus reads", () => {
  const server = { sessions: 2, strangers: 1, refused: 7 };
  const text = metricsText({ folders: [folder()], server }, { rss: 100, heapUsed: 50 });
  const lines = text.trimEnd().split("\n");
  assert(lines.includes('fsync_in_sync{folder="a \\"b\\"\\\\c"} 1'), text);
  assert(lines.includes("fsync_refused_total 7"), text);
  assert(lines.includes('fsync_last_sync_seconds{folder="a \\"b\\"\\\\c"} 3'), text);
  for (const line of lines) {
    assert(/^(# (HELP|TYPE) fsync_|# (HELP|TYPE) process_|\w+(\{\w+=".*"\})? -?[\d.]+$)/.test(line), line);
  }
  const samples = lines.filter((line) => !line.startsWith("#")).map((line) => line.replace(/[{ ].*/s, ""));
  for (const name of samples) {
    assertEquals(lines.filter((line) => line.startsWith(`# TYPE ${name} `)).length, 1, name);
  }
});

Deno.test("a folder that is gone or has stopped is not healthy, one that cannot reach its server is", () => {
  assertEquals(healthOf({ folders: [folder()] }).healthy, true);
  assertEquals(healthOf({ folders: [folder({ state: "unreachable" })] }).healthy, true);
  assertEquals(healthOf({ folders: [folder({ state: "stopped" })] }).healthy, false);
  assertEquals(healthOf({ folders: [folder(), folder({}, { root: "missing" })] }).healthy, false);
  assertEquals(healthOf({ folders: [] }).healthy, false);
});
