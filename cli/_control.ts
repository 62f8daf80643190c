/** What a running `watch` or `server` answers on its control socket, and how to ask it. */
import type { Engine, EngineStatus } from "../client/engine.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { askControl, ControlError, type ControlServer, serveControl } from "../system/control_socket.ts";
import type { Watcher, WatcherHealth } from "../watcher/watcher.ts";
import { socketOf } from "./_replica.ts";
import type { Upkeep, UpkeepAnswer, UpkeepRequest } from "./_upkeep.ts";
import type { Output } from "./_output.ts";

/** The status of a running engine with the health of its watcher. */
export interface LiveStatus {
  readonly engine: EngineStatus;
  readonly watcher: WatcherHealth;
  readonly server: string;
}

export type ControlRequest =
  | { readonly ask: "status" }
  | { readonly ask: "approve-deletes" }
  /** Looks at these paths and answers with the status when everything is at rest. */
  | { readonly ask: "sync"; readonly paths: readonly string[] };

/** Not about the engine: what the owner asks of the store. */
interface UpkeepQuestion {
  readonly ask: "upkeep";
  readonly request: UpkeepRequest;
}

export interface Controlled {
  /** Only a server has a store. */
  readonly upkeep?: Upkeep;
  readonly root: string;
  readonly engine: Engine;
  readonly watcher: Watcher;
  readonly server: string;
}

/** Answers questions about `controlled`; without a socket the rest still works. */
export async function answerControl(controlled: Controlled, output: Output): Promise<ControlServer | null> {
  try {
    return await serveControl(
      socketOf(controlled.root),
      (request) => answer(controlled, request as ControlRequest | UpkeepQuestion),
    );
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    output.warn(`fsync: status cannot be asked for: ${error.message}`);
    return null;
  }
}

async function answer(
  controlled: Controlled,
  request: ControlRequest | UpkeepQuestion,
): Promise<LiveStatus | UpkeepAnswer> {
  const { engine, upkeep } = controlled;
  if (request.ask === "upkeep") {
    if (upkeep === undefined) throw new Error("Cannot look after a store: this is no server");
    return await upkeep.answer(request.request);
  }
  if (request.ask === "approve-deletes") engine.approveDeletes();
  if (request.ask === "sync") {
    const paths = new Map<SyncPath, "deep">(request.paths.map((path) => [parsePath(path), "deep"]));
    engine.dirty({ all: paths.size === 0, paths });
  }
  if (request.ask !== "status") await engine.atRest();
  return { engine: engine.status(), watcher: await controlled.watcher.health(), server: controlled.server };
}

/** Asks the process that holds `root`; `null` if there is none. */
export async function askRunning(
  root: string,
  request: ControlRequest,
  timeoutMs?: number,
): Promise<LiveStatus | null> {
  try {
    return await askControl(socketOf(root), request, timeoutMs) as LiveStatus;
  } catch (error) {
    if (error instanceof ControlError && error.code === "not_running") return null;
    throw error;
  }
}
