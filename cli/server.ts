import type { EngineEvent } from "../client/events.ts";
import { displayPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { DEFAULT_PORT } from "../system/address.ts";
import { isNetworkFileSystem } from "../system/file_system.ts";
import { startWatcher, type Watcher } from "../watcher/watcher.ts";
import { changesOf } from "./_commit_log.ts";
import { answerControl } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { Journal } from "./_journal.ts";
import { adjustLine, LIMIT_FLAGS, lineOf } from "./_line.ts";
import { journalOptions, LOG_FLAGS } from "./_logging.ts";
import { METRICS_FLAG, serveMetrics } from "./_metrics.ts";
import { onReload } from "./_reload.ts";
import { prepareRoot } from "./_replica.ts";
import { Server } from "./_serve.ts";
import { sessionLog } from "./_session_log.ts";
import { adviseOnWatcher } from "./_watching.ts";

export const DEFAULT_SERVER_DIR = "./server_files";

/** What the plain tree tells about itself. Its changes are commits like all others, or merely follow from them. */
const OWN_TREE_EVENTS: ReadonlySet<EngineEvent["type"]> = new Set([
  "problem",
  "held",
  "disconnected",
  "state",
]);

export const server: Command = {
  name: "server",
  summary: "keep the folder and its history, serve clients",
  usage: "[DIR=./server_files] [--port 65432] [--host 0.0.0.0] [--no-tls]",
  flags: [
    { name: "port", value: "PORT", help: `TCP port (default ${DEFAULT_PORT})` },
    { name: "host", value: "ADDRESS", help: "address to listen on (default 0.0.0.0: all)" },
    { name: "no-tls", help: "no encryption: only on a link that is safe by other means" },
    ...LIMIT_FLAGS,
    ...LOG_FLAGS,
    METRICS_FLAG,
  ],
  example: "fsync server ./server_files --port 65432",
  words: { min: 0, max: 1 },
  run: runServer,
};

async function runServer(context: Context): Promise<number> {
  const interrupt = onInterrupt();
  try {
    const { done } = await startServer(context, context.words[0] ?? DEFAULT_SERVER_DIR, interrupt.signal);
    await done;
    return EXIT.ok;
  } finally {
    interrupt.end();
  }
}

/** Starts a server, says that it listens, and returns when it does. */
export async function startServer(
  context: Context,
  dir: string,
  signal: AbortSignal,
): Promise<{ readonly port: number; readonly done: Promise<void> }> {
  const { output } = context;
  const root = prepareRoot(dir);
  const line = lineOf(context);
  const journal = new Journal(`${root}/.fsync`, output, journalOptions(context));
  let watcher: Watcher | null = null;
  const server = await Server.open({
    root,
    hostname: context.value("host") ?? "0.0.0.0",
    port: context.number("port", DEFAULT_PORT, { min: 0, max: 65535 }),
    tls: !context.on("no-tls"),
    limits: line,
    onEvent: (event) => {
      if (OWN_TREE_EVENTS.has(event.type)) journal.note(event);
    },
    onLooked: (ms, directories) => watcher?.scanned(ms, directories),
    onCommit: (commit) => journal.writeAll(changesOf(commit)),
    onStoreProblem: (problem) => output.warn(`fsync: ${problem}`),
    onDamaged: (path) =>
      journal.write(
        { type: "damaged", path },
        `Version lost: ${displayPath(path)} was overwritten in place, directly in the server's folder`,
      ),
    sessions: sessionLog(journal, output),
  });
  output.line(`Server listening on ${server.address}`);
  watcher = startWatcher(root, {
    clock: systemClock,
    network: isNetworkFileSystem(root),
    onDirty: (dirty) => server.engine.dirty(dirty),
    signal,
  });
  void adviseOnWatcher(watcher, output);
  const control = await answerControl(
    {
      root,
      engine: server.engine,
      upkeep: server.upkeep,
      accounts: server.accounts,
      tls: !context.on("no-tls"),
      watcher,
      server: server.address,
    },
    output,
  );
  const watching = watcher;
  const metrics = serveMetrics(context, async () => ({
    folders: [{
      name: "main",
      engine: server.engine.status(),
      watcher: await watching.health(),
      revision: server.folder.revision,
    }],
  }));
  const endReload = onReload(context, (changed) => {
    journal.options = journalOptions(changed);
    adjustLine(line, changed);
  });
  const done = server.run(signal).finally(() => {
    endReload();
    void metrics?.close();
    control?.close();
    watcher.close();
    journal.close();
  });
  return { port: Number(server.address.slice(server.address.lastIndexOf(":") + 1)), done };
}
