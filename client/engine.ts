/**
 * The engine of a replica: looks, plans and carries out, until both sides agree; then waits for the next hint.
 *
 * Invariants:
 * 1. One cycle at a time; large contents go on beside it, and their paths are left alone meanwhile.
 * 2. Events and notices only record that there is something to do; {@link Cycle} alone decides what.
 * 3. "in sync" is said only when the last look was complete, nothing differs, and nothing waits.
 */
import type { SyncPath } from "../core/path.ts";
import type { Changes } from "../protocol/messages.ts";
import type { Connector, Remote } from "../protocol/remote.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { DiskError } from "../system/disk.ts";
import { DeleteGate, DELETES_QUIET_MS } from "./delete_gate.ts";
import { type EngineStatus, type Preview, type Work, workOf } from "./engine_status.ts";
import { HeldError } from "./errors.ts";
import type { SyncState } from "./events.ts";
import { explainPath, type Explanation } from "./explain.ts";
import { checkIdentity } from "./identity_check.ts";
import { Ignoring } from "./ignoring.ts";
import { Cycle, type Scope } from "./cycle.ts";
import type { LookRequest } from "./look.ts";
import { brokeProtocol, mayPass } from "./lost_session.ts";
import { endOf, persist } from "./persist.ts";
import { ROOM_LOOK_MS } from "./room.ts";
import { Standstill } from "./standstill.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import type { IgnoreSettings } from "./rule_files.ts";
import { StateError } from "./state.ts";
import { Transfers } from "./transfers.ts";

export interface EngineOptions extends ReplicaParts {
  readonly connector: Connector;
  /** Name of the folder on the server; empty for its only one. */
  readonly folder: string;
  /** Why the root cannot be trusted at the moment (gone, unmounted, replaced), or `null`. */
  readonly rootProblem: () => string | null;
  /** The guard against mass deletion; off for the server's own tree when it follows the folder. */
  readonly guard: "on" | "local-only";
  /** What this device adds to the ignore rules, asked before each look; absent: nothing is ever ignored. */
  readonly ignore?: () => IgnoreSettings;
  /** How long a full look took, ms, and how many directories it met, so that the next one can be planned. */
  readonly onLooked?: (durationMs: number, directories: number) => void;
}

/** Waits between two tries to connect, milliseconds; with jitter, so that clients do not come back all at once. */
const BACKOFF_MS_FIRST = 250;
const BACKOFF_MS_MAX = 30_000;
/** A file that changed while it was read is looked at again after this, milliseconds. */
const UNSTEADY_MS = 150;
/** Cycles without an end in sight, before a pass gives up and says so. */
const PASS_CYCLES_MAX = 50;
/** How long a plan that was refused as stale waits for the news that made it so, milliseconds. */
const STALE_WAIT_MS = 1000;

/** What is done a little later, each once. */
type Later = "unsteady" | "unsure" | "deletes" | "room";

export class Engine {
  readonly #options: EngineOptions;
  readonly #replica: Replica;
  readonly #gate: DeleteGate;
  readonly #ignoring: Ignoring | null;
  readonly #cycle: Cycle;
  readonly #standstill: Standstill;
  #transfers: Transfers;
  #dirty: { all: boolean; paths: Map<SyncPath, "shallow" | "deep"> } = { all: true, paths: new Map() };
  #wake: () => void = () => {};
  #remoteNews = false;
  #state: SyncState = "unknown";
  #connected = false;
  #user = "";
  #folderName = "";
  #conflicts = 0;
  #reason = "";
  #cycling = false;
  #restWaiters: (() => void)[] = [];
  readonly #waiting = new Set<Later>();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#replica = new Replica(options);
    this.#transfers = new Transfers(this.#replica);
    const { disk, clock, random, state, ignore } = options;
    this.#standstill = new Standstill({ clock, random, state, room: this.#replica.room });
    this.#replica.onWritten = () => this.#goesOn();
    this.#ignoring = ignore === undefined ? null : new Ignoring(this.#replica.trees, disk, clock, ignore);
    this.#gate = new DeleteGate({
      trees: this.#replica.trees,
      clock: options.clock,
      emit: options.onEvent,
      guardRemote: options.guard === "on",
    });
    this.#cycle = new Cycle({
      replica: this.#replica,
      gate: this.#gate,
      ignoring: this.#ignoring,
      clock,
      onEvent: options.onEvent,
      onLooked: options.onLooked ?? (() => {}),
    });
  }

  /** Something may have changed on disk. */
  dirty(request: LookRequest): void {
    if (request.all) this.#dirty.all = true;
    for (const [path, depth] of request.paths) {
      // A log that is ignored may grow all day.
      if (this.#ignoring?.isIdle(path)) continue;
      if (this.#dirty.paths.get(path) !== "deep") this.#dirty.paths.set(path, depth);
    }
    this.#wake();
  }

  /** Lets deletes that the guard holds pass, once. */
  approveDeletes(): void {
    this.#gate.approve();
    this.#planAgain();
  }

  /** Forgets what was synced and with which server: the next sync merges both sides and deletes nothing. */
  acceptServer(): void {
    this.#replica.state.reset();
    this.#replica.reload();
  }

  status(): EngineStatus {
    const { trees } = this.#replica;
    return {
      state: this.#state,
      connected: this.#connected,
      user: this.#user,
      folder: this.#folderName,
      rules: this.#user === "" ? [] : this.#replica.writes.rules,
      files: trees.files,
      ignored: trees.ignored.size,
      pendingUp: trees.local.size,
      pendingDown: trees.remote.size,
      transfers: this.#transfers.size,
      conflicts: this.#conflicts,
      held: this.#gate.held,
      stuck: this.#standstill.stuck,
      problems: [...trees.problems.values()],
      lastFullLook: this.#cycle.lastFullLook,
      lastSync: this.#replica.state.binding().lastSync,
      reason: this.#reason,
    };
  }

  /** Why `path` is synced or not, from what is known now. */
  explain(path: SyncPath): Explanation {
    const held = this.#gate.held;
    return explainPath(path, {
      replica: this.#replica,
      ignoring: this.#ignoring,
      held,
      connected: this.#user !== "",
      lookedAt: this.#cycle.lastFullLook,
    });
  }

  /** Whether the rules leave a directory out, so that nobody needs to watch it. */
  ignoresDir(dir: SyncPath): boolean {
    return this.#ignoring?.leavesOutDir(dir) ?? false;
  }

  /** Looks at everything here and asks no server, so that {@link explain} knows at least this side. */
  async lookHere(signal: AbortSignal): Promise<void> {
    await this.#cycle.look({ all: true, paths: new Map() }, signal, null);
  }

  /** What still has to go up and come down, as far as it is known; walks the trees, so not for every event. */
  work(): Work {
    return workOf(this.#replica.trees);
  }

  /**
   * One pass: connects, syncs until nothing is left to do, and ends. Goes on in another session if the server ends one,
   * as it does when the rights of its user change.
   *
   * @throws {UnreachableError | RemoteError | HeldError | DiskError | StateError} what made the pass impossible; what
   * concerns single paths or a held delete is in the status instead
   * @param scope only these paths, and only in this direction
   */
  async pass(signal: AbortSignal, scope: Scope | null = null): Promise<EngineStatus> {
    this.#cycle.scope = scope;
    const { clock, random } = this.#options;
    return await persist(() => this.#passOnce(signal, scope), { clock, random, signal });
  }

  async #passOnce(signal: AbortSignal, scope: Scope | null): Promise<EngineStatus> {
    const remote = await this.#connect(signal);
    const session: { ended: Error | null } = { ended: null };
    void remote.closed.then((reason) => session.ended = reason);
    let heard = false;
    try {
      await this.#subscribe(remote);
      heard = true;
      this.#dirty = scope === null
        ? { all: true, paths: new Map() }
        : { all: false, paths: new Map(scope.paths.map((path) => [path, "deep"])) };
      for (let cycles = 0; !signal.aborted && this.#hasWork(); cycles++) {
        if (cycles === PASS_CYCLES_MAX) {
          this.#giveUp();
          break;
        }
        await this.#runCycle(remote, signal);
        await this.#transfers.drain();
        if (!this.#hasWork()) await this.#waitForSteadiness(signal);
      }
      await this.#hearOfOwn(signal);
      // Before the last write: what was settled must not wait for the next pass, which may be long after.
      this.#replica.unanswered.conversationEnded(heard);
      heard = false;
      await this.#settle();
      // Of what came into sight, or went out of it, nobody has told.
      if (session.ended instanceof RemoteError && !signal.aborted) throw session.ended;
      this.#noteState();
      return this.status();
    } catch (error) {
      this.#replica.unanswered.conversationEnded(heard);
      heard = false;
      // What was agreed on before stays so; forgetting it would cost comparisons, or conflicts that are none.
      await this.#replica.flush().catch(() => {});
      throw await endOf(error, remote.closed, this.#options.clock);
    } finally {
      remote.close();
      await this.#transfers.drain().catch(() => {});
      this.#replica.unanswered.conversationEnded(heard);
      this.#connected = false;
    }
  }

  /** Resolves when a running engine has nothing left to do for now, or has lost its server. */
  atRest(): Promise<void> {
    return new Promise((resolve) => {
      this.#restWaiters.push(resolve);
      this.#wake();
    });
  }

  #noteRest(): void {
    for (const resolve of this.#restWaiters.splice(0)) resolve();
  }

  /** What a pass would do, without doing any of it. */
  async preview(signal: AbortSignal): Promise<Preview> {
    const remote = await this.#connect(signal, "unbound");
    try {
      await this.#subscribe(remote);
      const unforeseen = await this.#cycle.foreseeRules(remote, signal);
      await this.#cycle.look({ all: true, paths: new Map() }, signal, null);
      return { renames: this.#cycle.renames(), plan: this.#cycle.plan(), unforeseen };
    } finally {
      remote.close();
    }
  }

  /** Keeps the folder in sync until `signal` aborts. @throws {HeldError | StateError} what needs a person */
  async run(signal: AbortSignal): Promise<void> {
    let backoff = BACKOFF_MS_FIRST;
    this.#cycle.watching = true;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      let subscribed = false;
      try {
        await this.#session(signal, () => {
          subscribed = true;
        });
      } catch (error) {
        if (signal.aborted) break;
        this.#lost(error);
        this.#noteRest();
        if (error instanceof StateError || error instanceof DiskError) {
          if (error.code === "no_space") await this.#clearStage();
          await this.#standstill.wait(signal, () => this.#noteRest());
          continue;
        }
        // Who breaks the protocol does it again: that must not become a loop without a pause.
        if (subscribed && !brokeProtocol(error)) backoff = BACKOFF_MS_FIRST;
      }
      if (signal.aborted) break;
      const wait = backoff * (0.5 + this.#options.random.fraction());
      backoff = Math.min(backoff * 2, BACKOFF_MS_MAX);
      await this.#options.clock.sleep(wait, signal);
    }
    await this.#transfers.drain().catch(() => {});
    await this.#replica.flush().catch(() => {});
    this.#noteRest();
    this.#setState("stopped");
  }

  /** Decides what a failed session means: try again later, or a person is needed. */
  #lost(error: unknown): void {
    if (!mayPass(error)) throw error;
    this.#connected = false;
    // Nothing is kept of what somebody said who breaks the protocol; what the state says was agreed on.
    if (error instanceof ProtocolError) this.#replica.reload();
    if (error instanceof StateError || error instanceof DiskError) return this.#holdBack(error);
    if (this.#standstill.stuck !== null) return;
    if (this.#reason !== error.message) {
      this.#options.onEvent({ type: "disconnected", reason: error.message });
    }
    this.#reason = error.message;
    this.#setState("unreachable");
  }

  /** Our own disk is in trouble, which is not the server's business. */
  #holdBack(error: StateError | DiskError): void {
    const isNews = this.#standstill.note(error);
    const { reason, hint } = this.#standstill.stuck!;
    if (isNews) this.#options.onEvent({ type: "stuck", reason, hint });
    this.#reason = reason;
    this.#setState("stuck");
  }

  /** The state could be written: whatever kept this side back has passed. */
  #goesOn(): void {
    if (this.#standstill.stuck === null || !this.#connected) return;
    this.#standstill.pass();
    this.#reason = "";
    this.#options.onEvent({ type: "connected", user: this.#user });
    this.#setState("syncing");
  }

  async #session(signal: AbortSignal, onConnected: () => void): Promise<void> {
    const remote = await this.#connect(signal);
    let ended: Error | null = null;
    let heard = false;
    remote.closed.then((reason) => {
      ended = reason;
      this.#wake();
    });
    try {
      await this.#subscribe(remote);
      heard = true;
      onConnected();
      this.#dirty.all = true;
      while (!signal.aborted && ended === null) {
        if (this.#hasWork()) {
          await this.#runCycle(remote, signal);
          if (this.#replica.unsteady.size > 0) {
            this.#later("unsteady", UNSTEADY_MS, signal, () => this.#retryUnsteady());
          }
          if (this.#replica.unsure.size > 0) {
            this.#later("unsure", this.#sureMs, signal, () => this.#retryUnsure());
          }
          this.#lookForRoom(signal);
          if (this.#deletesRest) this.#later("deletes", DELETES_QUIET_MS, signal, () => this.#planAgain());
        } else {
          await this.#settle();
          this.#endStandstill();
          this.#noteState();
          if (this.#isQuiet()) this.#noteRest();
          await this.#waitForWork(() => signal.aborted || ended !== null);
        }
      }
      if (ended !== null && !signal.aborted) throw ended;
    } finally {
      remote.close();
      this.#replica.unanswered.conversationEnded(heard);
      this.#connected = false;
    }
  }

  /** All is written, and more could be. */
  #endStandstill(): void {
    if (this.#standstill.stuck !== null) this.#options.state.write({ binding: {} });
    this.#goesOn();
    this.#standstill.end();
  }

  #planAgain(): void {
    this.#remoteNews = true;
    this.#wake();
  }

  /** Looks from time to time whether there is room for what had none, and tries it again. */
  #lookForRoom(signal: AbortSignal): void {
    const { room, blocked } = this.#replica;
    if (!room.isAwaited) return;
    this.#later("room", ROOM_LOOK_MS, signal, () => {
      if (!room.hasGrown) return this.#lookForRoom(signal);
      for (const path of room.waiting()) blocked.delete(path);
      this.#planAgain();
    });
  }

  /** What was begun and not finished must not take the room without which nothing else can be done. */
  async #clearStage(): Promise<void> {
    await this.#transfers.drain().catch(() => {});
    try {
      this.#replica.clearStage(() => false);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
  }

  /** Runs `action` after `ms`, unless the same kind of action is waiting already. */
  #later(kind: Later, ms: number, signal: AbortSignal, action: () => void): void {
    if (this.#waiting.has(kind)) return;
    this.#waiting.add(kind);
    void this.#options.clock.sleep(ms, signal).then(() => {
      this.#waiting.delete(kind);
      if (!signal.aborted) action();
    });
  }

  #waitForWork(stop: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        const asked = this.#restWaiters.length > 0 && this.#isQuiet();
        if (!stop() && !this.#hasWork() && !asked) return;
        this.#wake = () => {};
        resolve();
      };
      this.#wake = check;
      check();
    });
  }

  /** Nothing is under way or waits for a moment to pass. */
  #isQuiet(): boolean {
    return !this.#hasWork() && this.#transfers.size === 0 && this.#replica.unsteady.size === 0 &&
      !this.#deletesRest;
  }

  /** Deletes wait for more of their kind. */
  get #deletesRest(): boolean {
    return this.#gate.resting || this.#replica.writes.resting;
  }

  #hasWork(): boolean {
    return this.#dirty.all || this.#dirty.paths.size > 0 || this.#remoteNews ||
      this.#replica.lookAgain.size > 0;
  }

  /** @param bind whether this side belongs to that folder of the server from now on, if it belonged to none */
  async #connect(signal: AbortSignal, bind: "bound" | "unbound" = "bound"): Promise<Remote> {
    const root = this.#options.rootProblem();
    if (root !== null) {
      throw new HeldError(root, "nothing was deleted on the server; bring the folder back and try again");
    }
    const { state } = this.#options;
    await this.#replica.begin();
    this.#transfers = new Transfers(this.#replica);
    const remote = await this.#options.connector.connect(
      { replica: state.binding().replica, folder: this.#options.folder },
      signal,
    );
    try {
      checkIdentity(state.binding(), remote.welcome);
    } catch (error) {
      remote.close();
      throw error;
    }
    const { folder, epoch, user, conflicts, folderName, rules } = remote.welcome;
    if (bind === "bound" && state.binding().epoch === null) state.write({ binding: { folder, epoch } });
    this.#replica.writes.begin(rules);
    this.#folderName = folderName;
    this.#connected = true;
    this.#user = user;
    this.#conflicts = conflicts;
    this.#transfers.onEnd = () => this.#wake();
    // Who is stuck has yet to show that this time it is of use.
    if (this.#standstill.stuck !== null) return remote;
    this.#reason = "";
    this.#options.onEvent({ type: "connected", user });
    return remote;
  }

  async #subscribe(remote: Remote): Promise<void> {
    const { trees } = this.#replica;
    const { view } = remote.welcome;
    // What came into sight with another view may be older than the cursor.
    const since = trees.view === view ? trees.cursor() : 0;
    // Whoever asks from the beginning is told what is there, not what is gone: that is what nobody speaks of.
    if (since === 0) trees.beginListing();
    await remote.subscribe(since, true, (changes: Changes) => {
      for (const notice of changes.notices) {
        const place = notice.kind === "moved" ? notice.to : notice.path;
        trees.noteNotice(notice);
        this.#replica.blocked.delete(place);
        this.#replica.writes.heard(place);
      }
      trees.noteUpTo(changes.upTo);
      this.#conflicts = changes.conflicts;
      if (changes.notices.length > 0) this.#remoteNews = true;
      this.#wake();
    });
    if (since > 0) return;
    for (const path of trees.endListing(view)) {
      this.#replica.blocked.delete(path);
      this.#remoteNews = true;
    }
  }

  async #runCycle(remote: Remote, signal: AbortSignal): Promise<void> {
    const root = this.#options.rootProblem();
    if (root !== null) {
      throw new HeldError(root, "nothing was deleted on the server; bring the folder back and try again");
    }
    this.#cycling = true;
    this.#setState("syncing");
    try {
      const next = { remote, transfers: this.#transfers, signal };
      if (await this.#cycle.bringRules(next)) this.#dirty.all = true;
      const { again, stale } = await this.#cycle.run(this.#takeDirty(), next);
      if (again) this.#remoteNews = true;
      if (stale) await this.#waitForNews(signal);
    } catch (error) {
      // What is in memory may be ahead of the disk; what the state says is not.
      if (error instanceof DiskError || error instanceof StateError) this.#replica.reload();
      throw error;
    } finally {
      this.#cycling = false;
    }
  }

  #takeDirty(): LookRequest {
    const request = this.#dirty;
    for (const [path, depth] of this.#replica.lookAgain) {
      if (!this.#replica.busy.has(path)) request.paths.set(path, depth);
    }
    this.#replica.lookAgain.clear();
    this.#dirty = { all: false, paths: new Map() };
    this.#remoteNews = false;
    request.all ||= this.#gate.wantsFullLook;
    this.#gate.wantsFullLook = false;
    return request;
  }

  /** Looks again at what changed under the last look. */
  #retryUnsteady(): void {
    for (const [path, depth] of this.#replica.unsteady) this.#replica.lookAgain.set(path, depth);
    this.#replica.unsteady.clear();
    this.#wake();
  }

  /** Looks again at what could have changed without a trace. */
  #retryUnsure(): void {
    for (const path of this.#replica.unsure) {
      if (!this.#replica.lookAgain.has(path)) this.#replica.lookAgain.set(path, "shallow");
    }
    this.#replica.unsure.clear();
    this.#wake();
  }

  /** When a look can tell every change from none, ms. */
  get #sureMs(): number {
    return this.#replica.disk.racyWindowUs / 1000 + 5;
  }

  async #waitForSteadiness(signal: AbortSignal): Promise<void> {
    const { unsteady, unsure } = this.#replica;
    if (unsteady.size === 0 && unsure.size === 0) return;
    await this.#options.clock.sleep(unsteady.size > 0 ? UNSTEADY_MS : this.#sureMs, signal);
    this.#retryUnsteady();
    this.#retryUnsure();
  }

  /** Right behind its answers the server says that nothing else is news; with that the cursor may pass them. */
  async #hearOfOwn(signal: AbortSignal): Promise<void> {
    const { trees, ownRevision } = this.#replica;
    if (trees.upTo < ownRevision) {
      await this.#waitAtMost(STALE_WAIT_MS, signal, () => trees.upTo >= ownRevision);
    }
  }

  /** A plan was refused because the server moved on; what it moved on to arrives as news. */
  async #waitForNews(signal: AbortSignal): Promise<void> {
    if (!this.#remoteNews) await this.#waitAtMost(STALE_WAIT_MS, signal, () => false);
    this.#remoteNews = true;
  }

  /** Waits for work, for `enough`, or for `ms` to pass. */
  async #waitAtMost(ms: number, signal: AbortSignal, enough: () => boolean): Promise<void> {
    const stop = new AbortController();
    const timer = this.#options.clock.sleep(ms, AbortSignal.any([signal, stop.signal]));
    await Promise.race([timer, this.#waitForWork(() => signal.aborted || enough())]);
    stop.abort();
    this.#wake = () => {};
  }

  #giveUp(): void {
    for (const path of [...this.#dirty.paths.keys(), ...this.#replica.lookAgain.keys()]) {
      this.#replica.problem(path, `Cannot sync "${path}": it keeps changing`, "look");
    }
  }

  /** Nothing differs, and nothing waits. */
  get #isSettled(): boolean {
    const { trees, unsteady } = this.#replica;
    return this.#cycle.completeLook && !this.#deletesRest && unsteady.size === 0 && trees.local.size === 0 &&
      trees.remote.size === 0 && this.#transfers.size === 0 && this.#connected;
  }

  /** Writes down what was agreed on, so that a power cut does not take it back. */
  async #settle(): Promise<void> {
    if (this.#isSettled) this.#replica.unanswered.inSync();
    await this.#replica.settle();
  }

  #noteState(): void {
    const { trees } = this.#replica;
    if (this.#gate.held !== null) return this.#setState("held");
    if (trees.problems.size > 0) return this.#setState("problems");
    if (!this.#isSettled) return this.#setState(this.#connected ? "syncing" : "unreachable");
    if (this.#state !== "in sync") {
      // Whatever is still staged was begun for something that nobody wants any more.
      this.#replica.clearStage(() => false);
      this.#replica.state.write({ binding: { lastSync: this.#options.clock.now() } });
    }
    this.#setState("in sync");
  }

  #setState(wanted: SyncState): void {
    const state = this.#standstill.stuck === null || wanted === "stopped" ? wanted : "stuck";
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onEvent({ type: "state", state });
  }

  /** Whether a cycle is under way (for those who wait for rest). */
  get isCycling(): boolean {
    return this.#cycling;
  }
}
