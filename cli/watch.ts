import { basename } from "@std/path";
import { systemClock } from "../system/clock.ts";
import { isNetworkFileSystem } from "../system/file_system.ts";
import { startWatcher, type Watcher } from "../watcher/watcher.ts";
import { answerControl } from "./_control.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { INIT_GROUP_FLAG, initGroup, tellOfGroup } from "./_group.ts";
import { onInterrupt } from "./_interrupt.ts";
import { ConflictCopies, ON_CONFLICT_FLAG } from "./_conflict_copies.ts";
import { ConflictNews } from "./_conflict_news.ts";
import { Journal } from "./_journal.ts";
import { IGNORE_FLAGS, rememberIgnoreFlags } from "./_ignore.ts";
import { adjustLine, LIMIT_FLAGS } from "./_line.ts";
import { journalOptions, LOG_FLAGS } from "./_logging.ts";
import { METRICS_FLAG, serveMetrics } from "./_metrics.ts";
import { onReload } from "./_reload.ts";
import { FOLDER_FLAG } from "./_binding.ts";
import { chosenDir, openReplica, prepareClientRoot } from "./_replica.ts";
import { Service } from "./_service.ts";
import { adviseOnCredential, adviseOnWatcher } from "./_watching.ts";

export const watch: Command = {
  name: "watch",
  summary: "keep a folder in step, both ways, until stopped",
  usage: "[DIR=./client_files] [--server HOST:PORT] [--folder NAME] [--init-group GROUP]",
  about: [
    "Keeps DIR (without it: the synced folder around here, or ./client_files) the same as on the server until it is stopped. Without the server it goes on noticing changes, and sends them when it is back.",
    "The first line printed says that it watches. SIGTERM and SIGINT end it cleanly; SIGHUP reads the settings again. fsync install --watch DIR starts it at each login.",
  ],
  flags: [
    { name: "server", value: "HOST:PORT", help: "the server; remembered for this folder" },
    FOLDER_FLAG,
    ON_CONFLICT_FLAG,
    ...IGNORE_FLAGS,
    ...LIMIT_FLAGS,
    ...LOG_FLAGS,
    METRICS_FLAG,
    INIT_GROUP_FLAG,
  ],
  example: "fsync watch ./client_files --server nas:65432",
  words: { min: 0, max: 1 },
  run: runWatch,
};

async function runWatch(context: Context): Promise<number> {
  const interrupt = onInterrupt();
  try {
    await watchFolder(context, chosenDir(context), interrupt.signal);
    return EXIT.ok;
  } finally {
    interrupt.end();
  }
}

/** Watches `dir` until `signal` aborts. */
export async function watchFolder(context: Context, dir: string, signal: AbortSignal): Promise<void> {
  const { output } = context;
  const root = prepareClientRoot(dir);
  const shared = initGroup(context, root);
  const journal = new Journal(`${root}/.fsync`, output, journalOptions(context));
  const service = Service.open();
  let watcher: Watcher | null = null;
  const replica = openReplica(context, {
    root,
    role: "watch",
    onEvent: (event) => {
      journal.note(event);
      service.note(event);
      if (event.type === "rules") watcher?.skipChanged();
      if (event.type === "conflict") news.noteOwn(event);
    },
    onLooked: (ms, directories) => watcher?.scanned(ms, directories),
    onTalk: (remote) => news.listen(remote),
  });
  rememberIgnoreFlags(context, root);
  const news = new ConflictNews(journal, ConflictCopies.open(context, root));
  output.line(`Watching: ${dir.replace(/^\.\//, "").replace(/\/$/, "")}`);
  service.ready(`watching ${root}`, signal);
  if (shared !== null) tellOfGroup(output, root, replica.where, shared);
  watcher = startWatcher(root, {
    clock: systemClock,
    network: isNetworkFileSystem(root),
    onDirty: (dirty) => replica.engine.dirty(dirty),
    skip: (dir) => replica.engine.ignoresDir(dir),
    signal,
  });
  void adviseOnWatcher(watcher, output);
  adviseOnCredential(replica, output);
  const control = await answerControl(
    { root, engine: replica.engine, watcher, server: replica.server },
    output,
  );
  const watching = watcher;
  const metrics = serveMetrics(context, async () => ({
    folders: [{
      name: basename(root),
      engine: replica.engine.status(),
      watcher: await watching.health(),
      traffic: replica.traffic(),
    }],
  }));
  const endReload = onReload(context, (changed) => {
    journal.options = journalOptions(changed);
    adjustLine(replica.line, changed);
  });
  try {
    await replica.engine.run(signal);
  } finally {
    endReload();
    await metrics?.close();
    control?.close();
    watcher.close();
    replica.close();
    journal.close();
    service.close();
  }
}
