/** What a folder answers about its past, to one user. Started by a session, or by a command of the owner. */
import type { SyncPath } from "../../core/path.ts";
import { RemoteError } from "../../protocol/errors.ts";
import type {
  History,
  Keep,
  PastConflict,
  PastVersion,
  Resolution,
  RestoreGoal,
  RestoreStep,
} from "../../protocol/history.ts";
import { ITEMS_MAX } from "../../protocol/limits.ts";
import type { Revision } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Caller } from "../caller.ts";
import type { Folder } from "../folder.ts";
import { overQuota, roomOf } from "../quota.ts";
import type { Conflict, Version } from "../store/records.ts";
import { lineageOf } from "./lineage.ts";
import { isKept, pastContent } from "./past_content.ts";
import { PastRights } from "./past_rights.ts";
import { beforeLastDelete, type PastOf, pastTree, type Target } from "./past_tree.ts";
import { pastVersion } from "./past_version.ts";
import { Restoration } from "./restoration.ts";

/** Setting of the records that names the owner's user. */
export const OWNER_SETTING = "owner";

export interface FolderHistoryParts {
  readonly folder: Folder;
  /** Who asks. Its replica should be nobody's, so that every client is told of what it does. */
  readonly caller: Caller;
  readonly clock: Pick<Clock, "yield">;
}

export class FolderHistory implements History {
  readonly #folder: Folder;
  readonly #caller: Caller;
  readonly #rights: PastRights;
  readonly #clock: Pick<Clock, "yield">;

  constructor(parts: FolderHistoryParts) {
    this.#folder = parts.folder;
    this.#caller = parts.caller;
    this.#rights = new PastRights(parts.caller);
    this.#clock = parts.clock;
  }

  async versions(path: SyncPath): Promise<readonly PastVersion[]> {
    await this.#only(this.#rights.shows(path), "see past versions");
    const rows = this.#rights.rows(this.#folder.records);
    const shows = (other: SyncPath) => this.#rights.shows(other);
    return lineageOf(rows, path).map((one) => pastVersion(one, shows, this.#rights.showsAll ? null : rows));
  }

  async read(path: SyncPath, revision: Revision, take: (bytes: Uint8Array) => void): Promise<void> {
    for await (const bytes of this.content(path, revision)) take(bytes);
  }

  /** The bytes of a version, as they are asked for. */
  async *content(path: SyncPath, revision: Revision): AsyncGenerator<Uint8Array> {
    await this.#only(this.#rights.shows(path) || this.#inConflict(path, revision), "see past versions");
    const version = this.#folder.records.version(path, revision);
    if (version?.entry?.kind !== "file") {
      throw new RemoteError(
        "notFound",
        `Cannot read version ${revision}: it is no version of a file "${path}"`,
      );
    }
    for (const bytes of pastContent(this.#folder, version.entry)) {
      yield bytes;
      await this.#clock.yield();
    }
  }

  async restore(path: SyncPath | null, goal: RestoreGoal, dryRun: boolean): Promise<readonly RestoreStep[]> {
    await this.#only(this.#rights.showsBelow(path), "see past versions");
    await this.#only(this.#rights.writesBelow(path), "restore");
    const targets = await this.#targets(path, goal);
    if (dryRun) return targets.map((target) => this.#stepOf(target));
    const steps: RestoreStep[] = [];
    for (let at = 0; at < targets.length; at += ITEMS_MAX) {
      steps.push(...await this.#carryOut(targets.slice(at, at + ITEMS_MAX)));
    }
    return steps;
  }

  #carryOut(targets: readonly Target[]): Promise<RestoreStep[]> {
    this.#checkRoom(targets);
    return this.#folder.change((draft) => {
      const restoration = new Restoration(draft, this.#caller);
      return targets.map((target): RestoreStep => {
        const step = this.#stepOf(target);
        if (step.action === "missing" || step.action === "blocked") return step;
        return restoration.restore(target.path, target.entry) ? step : { ...step, action: "blocked" };
      });
    });
  }

  /** @throws {RemoteError} if the quota does not allow it: what is restored is a new version of whoever restores it */
  #checkRoom(targets: readonly Pick<Target, "entry">[]): void {
    const sizes = targets.map(({ entry }) => entry?.kind === "file" ? entry.size : 0);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes > 0 && bytes > roomOf(this.#caller)) throw new RemoteError("noSpace", overQuota(this.#caller));
  }

  #stepOf({ path, entry, version }: Target): RestoreStep {
    if (!this.#rights.writes(path)) return { action: "blocked", path, version };
    if (entry?.kind === "file" && !isKept(this.#folder, entry)) return { action: "missing", path, version };
    const there = this.#folder.heads.get(path) !== null;
    return { action: entry === null ? "delete" : there ? "change" : "create", path, version };
  }

  async #targets(path: SyncPath | null, goal: RestoreGoal): Promise<Target[]> {
    const of = this.#pastOf(path);
    if (goal.kind === "time") {
      if (path !== null) this.#expectPast(path);
      return await pastTree(of, ({ time }) => time <= goal.time);
    }
    if (path === null) throw new RemoteError("notFound", "Cannot restore everything without a time");
    if (goal.kind === "undelete") return await this.#deleted(path);
    const rows = this.#rights.rows(this.#folder.records);
    const version = lineageOf(rows, path).find(({ revision }) => revision === goal.revision);
    if (version === undefined) {
      throw new RemoteError(
        "notFound",
        `Cannot restore version ${goal.revision}: "${path}" has no such version`,
      );
    }
    if (version.entry === null) {
      throw new RemoteError("notFound", `Cannot restore version ${goal.revision}: it is a delete`);
    }
    if (version.entry.kind !== "dir") return [{ path, entry: version.entry, version: version.revision }];
    if (version.path !== path) {
      throw new RemoteError(
        "notFound",
        `Cannot restore version ${goal.revision}: it was "${version.path}" then`,
      );
    }
    return await pastTree(of, ({ revision }) => revision <= goal.revision);
  }

  async #deleted(path: SyncPath): Promise<Target[]> {
    const of = this.#pastOf(path);
    const before = await beforeLastDelete(of);
    if (before === null) {
      this.#expectPast(path);
      throw new RemoteError("notFound", `Cannot undelete "${path}": it is not deleted`);
    }
    const all = await pastTree(of, ({ revision }) => revision <= before);
    return all.filter(({ entry }) => entry !== null);
  }

  #pastOf(dir: SyncPath | null): PastOf {
    return {
      folder: this.#folder,
      dir,
      shows: (path) => this.#rights.shows(path),
      clock: this.#clock,
    };
  }

  /** @throws {RemoteError} if nothing ever was at or below `path`, where this user may know that */
  #expectPast(path: SyncPath): void {
    if (!this.#rights.shows(path) || this.#folder.records.history(path, null, 1).length > 0) return;
    throw new RemoteError("notFound", `Cannot restore "${path}": the server never had it`);
  }

  conflicts({ open }: { readonly open: boolean }): Promise<readonly PastConflict[]> {
    const found = this.#folder.records.conflicts().filter((conflict) =>
      (!open || !conflict.resolved) && this.#rights.concerns(conflict)
    );
    return Promise.resolve(found.map((conflict) => this.#pastConflict(conflict)));
  }

  async resolve(id: number, keep: Keep): Promise<Resolution> {
    const conflict = this.#folder.records.conflicts().find((one) => one.id === id);
    if (conflict === undefined || !this.#rights.concerns(conflict)) {
      throw new RemoteError("notFound", `Cannot resolve conflict ${id}: there is no such conflict`);
    }
    const { path } = conflict;
    await this.#only(this.#rights.writes(path), `resolve the conflict of "${path}"`);
    const { user, device } = this.#caller.actor;
    const wanted = this.#versionToKeep(conflict, keep);
    if (keep.kind === "version") this.#checkRoom([{ entry: wanted!.entry }]);
    const answer = await this.#folder.change((draft): Resolution | null => {
      if (!this.#rights.writes(path)) return null;
      const restoration = new Restoration(draft, this.#caller);
      const kept = keep.kind === "version" ? keep.revision : this.#folder.heads.get(path)?.revision ?? null;
      let beside: SyncPath | null = null;
      if (keep.kind === "version" && !restoration.restore(path, wanted!.entry)) return null;
      if (keep.kind === "both" && wanted !== null) {
        // A loser that had to step aside stands beside it already.
        const stands = wanted.path !== path && this.#folder.heads.get(wanted.path) !== null;
        beside = stands ? wanted.path : restoration.placeBeside(path, wanted);
        if (beside === null) return null;
      }
      draft.resolve({ id, path, kept, beside, user, device });
      return { path, beside };
    });
    if (answer !== null) return answer;
    throw new RemoteError(
      "notFound",
      `Cannot resolve the conflict of "${path}": something stands in its way`,
    );
  }

  /** @throws {RemoteError} if it is not to be had */
  #versionToKeep(conflict: Conflict, keep: Keep): Version | null {
    if (keep.kind === "head") return null;
    const revision = keep.kind === "both" ? conflict.loser : keep.revision;
    const version = this.#side(conflict, revision);
    if (version === null || version.entry === null) {
      throw new RemoteError(
        "notFound",
        `Cannot keep version ${revision}: "${conflict.path}" has no such version`,
      );
    }
    if (version.entry.kind === "file" && !isKept(this.#folder, version.entry)) {
      throw new RemoteError("notFound", `Cannot keep version ${revision}: its content is not in the store`);
    }
    return version;
  }

  /** A version of the conflict's path, or the one that stepped aside from it, if this user may see it. */
  #side(conflict: Conflict, revision: Revision): Version | null {
    const { records } = this.#folder;
    const { path } = conflict;
    const version = records.version(path, revision) ??
      records.versionsFrom(path).find((other) => other.revision === revision) ?? null;
    return version !== null && this.#showsSide(conflict, version) ? version : null;
  }

  #showsSide({ winner, loser, base }: Conflict, version: Version): boolean {
    const { revision, path } = version;
    if (revision === winner || revision === loser) return this.#rights.reads(path);
    return revision === base ? this.#rights.showsBase(version) : this.#rights.shows(path);
  }

  #pastConflict(conflict: Conflict): PastConflict {
    const { id, path, reason, time, resolved } = conflict;
    const side = (revision: Revision) => {
      const version = revision === 0 ? null : this.#side(conflict, revision);
      return version === null ? null : pastVersion(version, (from) => this.#rights.reads(from), null);
    };
    const [winner, loser, base] = [conflict.winner, conflict.loser, conflict.base].map(side);
    return { id, path, winner: winner!, loser: loser!, base: base!, reason, time, resolved };
  }

  /** Whether a version belongs to a conflict of the asking user. */
  #inConflict(path: SyncPath, revision: Revision): boolean {
    return this.#folder.records.conflicts().some((conflict) =>
      [conflict.winner, conflict.loser, conflict.base].includes(revision) &&
      this.#rights.concerns(conflict) && this.#side(conflict, revision)?.path === path
    );
  }

  #only(may: boolean, what: string): Promise<void> {
    if (may) return Promise.resolve();
    const message = `Cannot ${what}: the owner has not allowed you that here`;
    return Promise.reject(new RemoteError("forbidden", message));
  }
}
