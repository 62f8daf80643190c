/**
 * Numbers about a running `server` or `watch` for Prometheus, and its health for load balancers and watchdogs. Only on
 * loopback, and without names of files: whoever is on this machine may read them.
 *
 * The text format is the one of https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
 */
import type { EngineStatus } from "../client/engine_status.ts";
import type { WatcherHealth } from "../watcher/watcher.ts";
import type { Context, Flag } from "./_command.ts";
import { SetupError } from "./_exit.ts";
import { VERSION } from "./_software.ts";

export const METRICS_FLAG: Flag = {
  name: "metrics",
  value: "PORT",
  help: "metrics and health on 127.0.0.1:PORT",
};

/** What is known of one folder at one moment. */
export interface FolderNumbers {
  readonly name: string;
  readonly engine: EngineStatus;
  readonly watcher: WatcherHealth;
  /** Bytes of the protocol since the start. */
  readonly traffic?: { readonly sent: number; readonly received: number };
  /** Only of a server. */
  readonly revision?: number;
}

/** What is known of a server at one moment. */
export interface ServerNumbers {
  readonly sessions: number;
  /** Connections that have not signed in. */
  readonly strangers: number;
  /** Sign-ins that were refused since the start. */
  readonly refused: number;
}

export interface Numbers {
  readonly folders: readonly FolderNumbers[];
  /** Folders that a server should serve, and cannot. */
  readonly unserved?: readonly { readonly name: string; readonly reason: string }[];
  readonly server?: ServerNumbers;
}

interface Sample {
  readonly labels: { readonly [name: string]: string };
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  readonly help: string;
  readonly samples: readonly Sample[];
}

type OfFolder = (folder: FolderNumbers) => number | undefined;

const FOLDER_FAMILIES: readonly (readonly [string, Family["kind"], string, OfFolder])[] = [
  [
    "in_sync",
    "gauge",
    "1 if it was proved that both sides hold the same.",
    ({ engine }) => bit(engine.state === "in sync"),
  ],
  ["connected", "gauge", "1 if the server is there.", ({ engine }) => bit(engine.connected)],
  ["files", "gauge", "Files in the folder.", ({ engine }) => engine.files],
  ["pending_up", "gauge", "Paths that wait to go to the server.", ({ engine }) => engine.pendingUp],
  ["pending_down", "gauge", "Paths that wait to come from the server.", ({ engine }) => engine.pendingDown],
  ["transfers", "gauge", "Large files under way.", ({ engine }) => engine.transfers],
  ["conflicts", "gauge", "Conflicts that nobody has resolved.", ({ engine }) => engine.conflicts],
  ["problems", "gauge", "Paths that cannot be synced.", ({ engine }) => engine.problems.length],
  ["held_deletes", "gauge", "Deletes that the guard holds.", ({ engine }) => engine.held?.deletes ?? 0],
  [
    "last_sync_seconds",
    "gauge",
    "When it was last in sync, seconds since 1970.",
    ({ engine }) => engine.lastSync / 1000,
  ],
  [
    "last_look_seconds",
    "gauge",
    "When everything was last looked at.",
    ({ engine }) => engine.lastFullLook / 1000,
  ],
  ["watched_directories", "gauge", "Directories that the kernel watches.", ({ watcher }) => watcher.watched],
  ["directories", "gauge", "Directories in the folder.", ({ watcher }) => watcher.directories],
  [
    "polling",
    "gauge",
    "1 if events do not cover everything.",
    ({ watcher }) => bit(watcher.mode === "polling"),
  ],
  ["sent_bytes_total", "counter", "Bytes of the protocol sent.", ({ traffic }) => traffic?.sent],
  ["received_bytes_total", "counter", "Bytes of the protocol received.", ({ traffic }) => traffic?.received],
  ["revision", "counter", "Changes that the folder has seen.", ({ revision }) => revision],
];

function bit(is: boolean): number {
  return is ? 1 : 0;
}

/** The page of numbers. */
export function metricsText(
  numbers: Numbers,
  memory: { readonly rss: number; readonly heapUsed: number },
): string {
  const families: Family[] = FOLDER_FAMILIES.map(([name, kind, help, of]) => ({
    name: `fsync_${name}`,
    kind,
    help,
    samples: numbers.folders.flatMap((folder): Sample[] => {
      const value = of(folder);
      return value === undefined ? [] : [{ labels: { folder: folder.name }, value }];
    }),
  }));
  const { server } = numbers;
  if (server !== undefined) {
    families.push(
      single("fsync_sessions", "gauge", "Clients that are signed in.", server.sessions),
      single("fsync_strangers", "gauge", "Connections that have not signed in.", server.strangers),
      single("fsync_refused_total", "counter", "Sign-ins that were refused.", server.refused),
    );
  }
  families.push(
    single("process_resident_memory_bytes", "gauge", "Resident memory.", memory.rss),
    single("fsync_heap_bytes", "gauge", "Memory of the program's own objects.", memory.heapUsed),
    {
      name: "fsync_build_info",
      kind: "gauge",
      help: "1.",
      samples: [{ labels: { version: VERSION }, value: 1 }],
    },
  );
  return families.filter(({ samples }) => samples.length > 0).map(familyText).join("");
}

function single(name: string, kind: Family["kind"], help: string, value: number): Family {
  return { name, kind, help, samples: [{ labels: {}, value }] };
}

function familyText({ name, kind, help, samples }: Family): string {
  const lines = samples.map(({ labels, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** Healthy: it does what it is there for, now. */
export function healthOf(
  { folders, unserved = [] }: Numbers,
): { readonly healthy: boolean; readonly reasons: readonly string[] } {
  const reasons = folders.flatMap(({ name, engine, watcher }) => {
    if (watcher.root !== "present") return [`${name}: its directory is ${watcher.root}`];
    return engine.state === "stopped" ? [`${name}: stopped: ${engine.reason}`] : [];
  });
  for (const { name, reason } of unserved) reasons.push(`${name}: not served: ${reason}`);
  return { healthy: reasons.length === 0 && folders.length > 0, reasons };
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/healthz` (the program does its work) and `/readyz` (and everything is in sync), if `--metrics` says
 * so. @throws {SetupError} if the port cannot be had
 */
export function serveMetrics(context: Context, numbers: () => Promise<Numbers>): MetricsServer | null {
  if (context.value("metrics") === undefined) return null;
  const port = context.number("metrics", 0, { min: 0, max: 65535 });
  try {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request) => answer(request, numbers),
    );
    const bound = server.addr.port;
    context.output.detail(`Metrics on http://127.0.0.1:${bound}/metrics`);
    return { port: bound, close: () => server.shutdown() };
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse ? "the port is in use" : String(error);
    throw new SetupError(
      "failed",
      `Cannot serve metrics on port ${port}: ${reason}`,
      "choose another: --metrics PORT",
    );
  }
}

async function answer(request: Request, numbers: () => Promise<Numbers>): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return text("only GET\n", 405);
  switch (new URL(request.url).pathname) {
    case "/metrics":
      return text(
        metricsText(await numbers(), Deno.memoryUsage()),
        200,
        "text/plain; version=0.0.4; charset=utf-8",
      );
    case "/healthz": {
      const { healthy, reasons } = healthOf(await numbers());
      return text(healthy ? "ok\n" : `${reasons.join("\n")}\n`, healthy ? 200 : 503);
    }
    case "/readyz": {
      const { folders } = await numbers();
      const late = folders.filter(({ engine }) => engine.state !== "in sync");
      return text(
        late.length === 0
          ? "ok\n"
          : `${late.map(({ name, engine }) => `${name}: ${engine.state}`).join("\n")}\n`,
        late.length === 0 ? 200 : 503,
      );
    }
    default:
      return text("there are /metrics, /healthz and /readyz\n", 404);
  }
}

function text(body: string, status: number, type = "text/plain; charset=utf-8"): Response {
  return new Response(body, { status, headers: { "content-type": type, "cache-control": "no-store" } });
}
