import { DEFAULT_PORT } from "../system/address.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { groupNamed } from "./_group.ts";
import { Journal } from "./_journal.ts";
import { adjustLine, LIMIT_FLAGS, lineOf } from "./_line.ts";
import { journalOptions, LOG_FLAGS } from "./_logging.ts";
import { type FolderNumbers, METRICS_FLAG, type Numbers, serveMetrics } from "./_metrics.ts";
import { onReload } from "./_reload.ts";
import { checkServerPlace } from "./_nesting.ts";
import { prepareRoot, SERVED_MODE } from "./_replica.ts";
import { Server } from "./_serve.ts";
import { Service } from "./_service.ts";

export const DEFAULT_SERVER_DIR = "./server_files";

export const server: Command = {
  name: "server",
  summary: "keep the folder and its history, serve clients",
  usage: "[DIR=./server_files] [--port 65432] [--host 0.0.0.0] [--no-tls]",
  about: [
    "Keeps the newest tree of DIR as plain files, and every version of each file in DIR/.fsync. What is put, edited or deleted in DIR itself is a change like any other.",
    "The first line printed says that it listens. SIGTERM and SIGINT end it cleanly; SIGHUP reads the settings again. On this machine its own user needs no credential; others are let in by fsync invite.",
  ],
  flags: [
    { name: "port", value: "PORT", help: `TCP port (default ${DEFAULT_PORT})` },
    { name: "host", value: "ADDRESS", help: "address to listen on (default 0.0.0.0: all)" },
    { name: "no-tls", help: "no encryption: only on a link that is safe by other means" },
    { name: "credential-group", value: "GROUP", help: "members of this Unix group need no invitation" },
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
    const dir = context.words[0] ?? DEFAULT_SERVER_DIR;
    const { done, unserved } = await startServer(context, dir, interrupt.signal);
    await done;
    return unserved() === 0 ? EXIT.ok : EXIT.problems;
  } finally {
    interrupt.end();
  }
}

export interface StartedServer {
  readonly port: number;
  readonly done: Promise<void>;
  /** Folders that should be served, and are not. */
  readonly unserved: () => number;
}

/** Starts a server, says that it listens, and returns when it does. */
export async function startServer(
  context: Context,
  dir: string,
  signal: AbortSignal,
): Promise<StartedServer> {
  const { output } = context;
  checkServerPlace(dir);
  const root = prepareRoot(dir, SERVED_MODE);
  const line = lineOf(context);
  const group = context.value("credential-group");
  let settings = journalOptions(context);
  const server = await Server.open({
    root,
    hostname: context.value("host") ?? "0.0.0.0",
    port: context.number("port", DEFAULT_PORT, { min: 0, max: 65535 }),
    tls: !context.on("no-tls"),
    limits: line,
    credentialGroup: group === undefined ? undefined : groupNamed(group),
    output,
    journal: (dir, output) => new Journal(dir, output, settings),
  });
  output.line(`Server listening on ${server.address}`);
  const service = Service.open();
  service.ready(`listening on ${server.address}`, signal);
  const metrics = serveMetrics(context, () => numbersOf(server));
  const endReload = onReload(context, (changed) => {
    settings = journalOptions(changed);
    for (const { journal } of server.folders) journal.options = settings;
    adjustLine(line, changed);
  });
  const done = server.run(signal).finally(() => {
    service.close();
    endReload();
    void metrics?.close();
  });
  return { port: server.port, done, unserved: () => server.unserved.length };
}

async function numbersOf(server: Server): Promise<Numbers> {
  const folders: FolderNumbers[] = [];
  for (const served of server.folders) {
    const watcher = await served.health();
    if (watcher === null) continue;
    const { name, engine, folder } = served;
    folders.push({ name, engine: engine.status(), watcher, revision: folder.revision });
  }
  const { sessions, strangers, refused } = server.greeter;
  return { folders, unserved: server.unserved, server: { sessions, strangers, refused } };
}
