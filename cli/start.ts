import type { Command, Context } from "./_command.ts";
import { EXIT } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { DEFAULT_CLIENT_DIR } from "./_replica.ts";
import { DEFAULT_SERVER_DIR, server, startServer } from "./server.ts";
import { watchFolder } from "./watch.ts";

export const start: Command = {
  name: "start",
  summary: "a server and a watched folder in one terminal",
  usage: "[--port 65432] [--host 127.0.0.1]",
  about: [
    "For trying things out: a server on ./server_files and a watcher on ./client_files in one process.",
  ],
  flags: server.flags,
  example: "fsync start      # ./server_files and ./client_files",
  words: { min: 0, max: 0 },
  run: runStart,
};

async function runStart(context: Context): Promise<number> {
  const interrupt = onInterrupt();
  const stop = new AbortController();
  interrupt.signal.addEventListener("abort", () => stop.abort(), { once: true });
  try {
    const { port, done } = await startServer(context, DEFAULT_SERVER_DIR, stop.signal);
    const withServer: Context = {
      ...context,
      value: (name) => name === "server" ? `localhost:${port}` : context.value(name),
      given: (name) => name === "server" ? `localhost:${port}` : context.given(name),
    };
    // Whichever ends first, by itself or by a failure, ends the other.
    const both = [done, watchFolder(withServer, DEFAULT_CLIENT_DIR, stop.signal)].map((part) =>
      part.finally(() => stop.abort())
    );
    await Promise.all(both);
    return EXIT.ok;
  } finally {
    interrupt.end();
  }
}
