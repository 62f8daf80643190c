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
import type { Folder } from "../folder.ts";
import type { Actor } from "../heads.ts";
import type { Conflict, Version } from "../store/records.ts";
import { lineageOf } from "./lineage.ts";
import { isKept, pastContent } from "./past_content.ts";
import { beforeLastDelete, pastTree, type Target } from "./past_tree.ts";

/** Setting of the records that names the owner's user. */
export const OWNER_SETTING = "owner";

export interface FolderHistoryParts {
  readonly folder: Folder;
  /** Who asks. Its replica should be nobody's, so that every client is told of what it does. */
  readonly actor: Actor;
  readonly clock: Pick<Clock, "yield">;
}

export class FolderHistory implements History {
  readonly #folder: Folder;
  readonly #actor: Actor;
  readonly #clock: Pick<Clock, "yield">;

  constructor(parts: FolderHistoryParts) {
    this.#folder = parts.folder;
    this.#actor = parts.actor;
    this.#clock = parts.clock;
  }

  async versions(path: SyncPath): Promise<readonly PastVersion[]> {
    await this.#ownerOnly("see past versions");
    return lineageOf(this.#folder.records, path).map(pastVersion);
  }

  async read(path: SyncPath, revision: Revision, take: (bytes: Uint8Array) => void): Promise<void> {
    for await (const bytes of this.content(path, revision)) take(bytes);
  }

  /** The bytes of a version, as they are asked for. */
  async *content(path: SyncPath, revision: Revision): AsyncGenerator<Uint8Array> {
    if (!this.#concerns(path, revision)) await this.#ownerOnly("see past versions");
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
    await this.#ownerOnly("restore");
    const targets = await this.#targets(path, goal);
    if (dryRun) return targets.map((target) => this.#stepOf(target));
    const steps: RestoreStep[] = [];
    for (let at = 0; at < targets.length; at += ITEMS_MAX) {
      steps.push(...await this.#carryOut(targets.slice(at, at + ITEMS_MAX)));
    }
    return steps;
  }

  #carryOut(targets: readonly Target[]): Promise<RestoreStep[]> {
    return this.#folder.change((acceptance) =>
      targets.map((target): RestoreStep => {
        const step = this.#stepOf(target);
        if (step.action === "missing") return step;
        const done = acceptance.restore(this.#actor, target.path, target.entry);
        return done ? step : { ...step, action: "blocked" };
      })
    );
  }

  #stepOf({ path, entry, version }: Target): RestoreStep {
    if (entry?.kind === "file" && !isKept(this.#folder, entry)) return { action: "missing", path, version };
    const there = this.#folder.heads.get(path) !== null;
    return { action: entry === null ? "delete" : there ? "change" : "create", path, version };
  }

  async #targets(path: SyncPath | null, goal: RestoreGoal): Promise<Target[]> {
    if (goal.kind === "time") {
      if (path !== null && this.#folder.records.history(path, null, 1).length === 0) throw nothingAt(path);
      return await pastTree(this.#folder, path, ({ time }) => time <= goal.time, this.#clock);
    }
    if (path === null) throw new RemoteError("notFound", "Cannot restore everything without a time");
    if (goal.kind === "undelete") return await this.#deleted(path);
    const version = lineageOf(this.#folder.records, path).find(({ revision }) => revision === goal.revision);
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
    return await pastTree(this.#folder, path, ({ revision }) => revision <= goal.revision, this.#clock);
  }

  async #deleted(path: SyncPath): Promise<Target[]> {
    const { records } = this.#folder;
    const before = await beforeLastDelete(this.#folder, path, this.#clock);
    if (before === null) {
      const known = records.versions(path).length > 0;
      if (!known) throw nothingAt(path);
      throw new RemoteError("notFound", `Cannot undelete "${path}": it is not deleted`);
    }
    const all = await pastTree(this.#folder, path, ({ revision }) => revision <= before, this.#clock);
    return all.filter(({ entry }) => entry !== null);
  }

  conflicts({ open }: { readonly open: boolean }): Promise<readonly PastConflict[]> {
    const found = this.#folder.records.conflicts().filter((conflict) =>
      (!open || !conflict.resolved) && this.#mayResolve(conflict)
    );
    return Promise.resolve(found.map((conflict) => this.#pastConflict(conflict)));
  }

  async resolve(id: number, keep: Keep): Promise<Resolution> {
    const conflict = this.#folder.records.conflicts().find((one) => one.id === id);
    if (conflict === undefined || !this.#mayResolve(conflict)) {
      throw new RemoteError("notFound", `Cannot resolve conflict ${id}: there is no such conflict`);
    }
    const { path } = conflict;
    const { user, device } = this.#actor;
    const wanted = this.#versionToKeep(conflict, keep);
    const answer = await this.#folder.change((acceptance): Resolution | null => {
      const kept = keep.kind === "version" ? keep.revision : this.#folder.heads.get(path)?.revision ?? null;
      let beside: SyncPath | null = null;
      if (keep.kind === "version" && !acceptance.restore(this.#actor, path, wanted!.entry)) return null;
      if (keep.kind === "both" && wanted !== null) {
        // A loser that had to step aside stands beside it already.
        const stands = wanted.path !== path && this.#folder.heads.get(wanted.path) !== null;
        beside = stands ? wanted.path : acceptance.placeBeside(this.#actor, path, wanted);
        if (beside === null) return null;
      }
      acceptance.resolve({ id, path, kept, beside, user, device });
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

  /** A version of the conflict's path, or the one that stepped aside from it. */
  #side({ path }: Conflict, revision: Revision): Version | null {
    const { records } = this.#folder;
    return records.version(path, revision) ??
      records.versionsFrom(path).find((version) => version.revision === revision) ?? null;
  }

  #pastConflict(conflict: Conflict): PastConflict {
    const { id, path, reason, time, resolved } = conflict;
    const side = (revision: Revision) => {
      const version = revision === 0 ? null : this.#side(conflict, revision);
      return version === null ? null : pastVersion(version);
    };
    const [winner, loser, base] = [conflict.winner, conflict.loser, conflict.base].map(side);
    return { id, path, winner: winner!, loser: loser!, base: base!, reason, time, resolved };
  }

  #mayResolve({ winnerUser, loserUser }: Conflict): boolean {
    const { user } = this.#actor;
    return this.#isOwner() || winnerUser === user || loserUser === user;
  }

  /** Whether a version belongs to a conflict of the asking user. */
  #concerns(path: SyncPath, revision: Revision): boolean {
    return this.#folder.records.conflicts().some((conflict) =>
      [conflict.winner, conflict.loser, conflict.base].includes(revision) && this.#mayResolve(conflict) &&
      this.#side(conflict, revision)?.path === path
    );
  }

  #isOwner(): boolean {
    return this.#folder.records.setting(OWNER_SETTING) === this.#actor.user;
  }

  #ownerOnly(what: string): Promise<void> {
    if (this.#isOwner()) return Promise.resolve();
    const message = `Cannot ${what}: only the owner of the server may do that`;
    return Promise.reject(new RemoteError("forbidden", message));
  }
}

function nothingAt(path: SyncPath): RemoteError {
  return new RemoteError("notFound", `Cannot restore "${path}": the server never had it`);
}

function pastVersion(version: Version): PastVersion {
  const { path, revision, operation, entry, base, from, user, device, time, clockOffset, head } = version;
  const author = { user, device };
  return {
    path,
    revision,
    operation,
    entry,
    base,
    from,
    author,
    time: Math.round(time),
    clockOffset: Math.round(clockOffset),
    head,
  };
}
