/** What a running `watch` or `server` answers on its control socket, and how to ask it. */
import type { Engine } from "../client/engine.ts";
import type { EngineStatus } from "../client/engine_status.ts";
import type { Explanation } from "../client/explain.ts";
import { parsePath, type SyncPath } from "../core/path.ts";
import { askFolder, ControlError, type ControlServer, serveControl } from "../system/control_socket.ts";
import type { Accounts } from "../server/accounts/accounts.ts";
import { systemClock } from "../system/clock.ts";
import { readPrivateFile } from "../system/private_file.ts";
import type { Watcher, WatcherHealth } from "../watcher/watcher.ts";
import { type AccountOutcome, answerAccounts } from "./_accounts.ts";
import type { AccountRequest } from "./_account_requests.ts";
import type { AuditLog } from "./_audit.ts";
import type { FolderControl } from "./_folders.ts";
import { socketOf } from "./_replica.ts";
import type { Upkeep, UpkeepAnswer, UpkeepRequest } from "./_upkeep.ts";
import type { Output } from "./_output.ts";

/** A folder of a server that should be served, and is not. */
export interface Unserved {
  readonly name: string;
  readonly path: string;
  readonly reason: string;
}

/** The status of a running engine with the health of its watcher. */
export interface LiveStatus {
  readonly engine: EngineStatus;
  readonly watcher: WatcherHealth;
  readonly server: string;
  /** Only of a server: the name of the folder, and the other folders that it cannot serve. */
  readonly folder?: string;
  readonly unserved?: readonly Unserved[];
}

export type ControlRequest =
  | { readonly ask: "status" }
  | { readonly ask: "approve-deletes" }
  /** Looks at these paths and answers with the status when everything is at rest. */
  | { readonly ask: "sync"; readonly paths: readonly string[] };

/** Why a path is synced or not. */
interface ExplainQuestion {
  readonly ask: "explain";
  readonly path: string;
}

/** Not about the engine: what the owner asks of the store. */
interface UpkeepQuestion {
  readonly ask: "upkeep";
  readonly request: UpkeepRequest;
}

/** Nor this: who may do what. */
interface AccountsQuestion {
  readonly ask: "accounts";
  readonly request: AccountRequest;
}

type Question = ExplainQuestion | ControlRequest | UpkeepQuestion | AccountsQuestion;

export interface Controlled {
  /** Only a server has a store. */
  readonly upkeep?: Upkeep;
  /** Only a server has accounts. */
  readonly accounts?: Accounts;
  /** Where changes of the accounts are logged. */
  readonly audit?: AuditLog;
  /** The folders of a server that can serve more than one. */
  readonly folders?: FolderControl;
  /** Whether a server has TLS. */
  readonly tls?: boolean;
  /** The name of a server's folder. */
  readonly folder?: string;
  readonly unserved?: () => readonly Unserved[];
  /** Bytes that count for a user's quota, in all folders of a server. */
  readonly usage?: (user: string) => number;
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
      (request) => answer(controlled, request as Question),
    );
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    output.warn(`fsync: status cannot be asked for: ${error.message}`);
    return null;
  }
}

async function answer(
  controlled: Controlled,
  request: Question,
): Promise<LiveStatus | UpkeepAnswer | AccountOutcome | Explanation> {
  const { engine, upkeep } = controlled;
  if (request.ask === "explain") return engine.explain(parsePath(request.path));
  if (request.ask === "upkeep") {
    if (upkeep === undefined) throw new Error("Cannot look after a store: this is no server");
    return await upkeep.answer(request.request);
  }
  if (request.ask === "accounts") return await askAccountsOf(controlled, request.request);
  if (request.ask === "approve-deletes") engine.approveDeletes();
  if (request.ask === "sync") {
    const paths = new Map<SyncPath, "deep">(request.paths.map((path) => [parsePath(path), "deep"]));
    engine.dirty({ all: paths.size === 0, paths });
  }
  if (request.ask !== "status") await engine.atRest();
  const { folder, unserved, server } = controlled;
  return {
    engine: engine.status(),
    watcher: await controlled.watcher.health(),
    server,
    ...(folder === undefined ? {} : { folder }),
    ...(unserved === undefined ? {} : { unserved: unserved() }),
  };
}

async function askAccountsOf(
  { root, accounts, audit: log, folders, tls, server, usage }: Controlled,
  request: AccountRequest,
): Promise<AccountOutcome> {
  if (accounts === undefined || log === undefined) {
    throw new Error("Cannot ask about users: this is no server");
  }
  const caPem = tls === true ? readPrivateFile(`${root}/.fsync/tls/ca.pem`) : null;
  const desk = { root, accounts, clock: systemClock, address: server, caPem, log };
  return await answerAccounts({ ...desk, ...folders && { folders }, ...usage && { usage } }, request);
}

/** Asks the process that holds `root` why a path is synced or not; `null` if there is none. */
export async function askExplanation(root: string, path: SyncPath): Promise<Explanation | null> {
  try {
    return await askFolder(root, { ask: "explain", path }) as Explanation;
  } catch (error) {
    if (error instanceof ControlError && error.code === "not_running") return null;
    throw error;
  }
}

/** Asks the process that holds `root`; `null` if there is none. */
export async function askRunning(
  root: string,
  request: ControlRequest,
  timeoutMs?: number,
): Promise<LiveStatus | null> {
  try {
    return await askFolder(root, request, timeoutMs) as LiveStatus;
  } catch (error) {
    if (error instanceof ControlError && error.code === "not_running") return null;
    throw error;
  }
}
