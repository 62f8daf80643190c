/** Messages about the past: versions, their contents, restoring, conflicts. */
import {
  readBlock,
  readEntryOrNone,
  readVersionRef,
  writeBlock,
  writeEntry,
  writeVersionRef,
} from "./_entries.ts";
import { type FieldsOf, readList, writeList } from "./_fields.ts";
import type { Reader } from "./_reader.ts";
import type { Writer } from "./_writer.ts";
import { PAST_OPERATIONS, RESTORE_ACTIONS } from "./history.ts";
import type { Keep, PastConflict, PastVersion, RestoreGoal, RestoreStep } from "./history.ts";
import { CONFLICTS_MAX, ITEMS_MAX, NAME_TEXT_BYTES_MAX, PAST_VERSIONS_MAX } from "./limits.ts";

const VERSION = 1, TIME = 2, UNDELETE = 3;
const HEAD = 1, KEEP_VERSION = 2, BOTH = 3;

export const HISTORY_MESSAGES: FieldsOf<
  | "versions"
  | "versionList"
  | "read"
  | "bytes"
  | "restore"
  | "restored"
  | "conflicts"
  | "conflictList"
  | "resolve"
  | "resolved"
> = {
  versions: {
    number: 18,
    write: (w, message) => w.path(message.path),
    read: (r) => ({ type: "versions", path: r.path() }),
  },

  versionList: {
    number: 19,
    write(w, message) {
      w.bool(message.more);
      writeList(w, "the count of versions", message.versions, PAST_VERSIONS_MAX, writeVersion);
    },
    read(r) {
      const more = r.bool("whether more follows");
      const versions = readList(r, "the count of versions", PAST_VERSIONS_MAX, readVersion);
      return { type: "versionList", versions, more };
    },
  },

  read: {
    number: 20,
    write: (w, message) => writeVersionRef(w, message),
    read: (r) => ({ type: "read", ...readVersionRef(r) }),
  },

  bytes: {
    number: 21,
    write(w, message) {
      w.bool(message.last);
      writeBlock(w, message.block);
    },
    read(r) {
      const last = r.bool("whether it is the last");
      return { type: "bytes", block: readBlock(r), last };
    },
  },

  restore: {
    number: 22,
    write(w, message) {
      if (message.path === null && message.goal.kind !== "time") {
        w.fail("everything is restored without a time");
      }
      w.bool(message.path !== null);
      if (message.path !== null) w.path(message.path);
      writeGoal(w, message.goal);
      w.bool(message.dryRun);
    },
    read(r) {
      const path = r.bool("whether there is a path") ? r.path() : null;
      const goal = readGoal(r);
      if (path === null && goal.kind !== "time") r.fail("everything is restored without a time");
      return { type: "restore", path, goal, dryRun: r.bool("whether it is only asked") };
    },
  },

  restored: {
    number: 23,
    write(w, message) {
      w.bool(message.more);
      writeList(w, "the count of steps", message.steps, ITEMS_MAX, writeStep);
    },
    read(r) {
      const more = r.bool("whether more follows");
      return { type: "restored", steps: readList(r, "the count of steps", ITEMS_MAX, readStep), more };
    },
  },

  conflicts: {
    number: 24,
    write: (w, message) => w.bool(message.open),
    read: (r) => ({ type: "conflicts", open: r.bool("whether only open ones are asked for") }),
  },

  conflictList: {
    number: 25,
    write(w, message) {
      w.bool(message.more);
      writeList(w, "the count of conflicts", message.conflicts, CONFLICTS_MAX, writeConflict);
    },
    read(r) {
      const more = r.bool("whether more follows");
      const conflicts = readList(r, "the count of conflicts", CONFLICTS_MAX, readConflict);
      return { type: "conflictList", conflicts, more };
    },
  },

  resolve: {
    number: 26,
    write(w, message) {
      w.uint("the conflict", message.conflict);
      writeKeep(w, message.keep);
    },
    read: (r) => ({ type: "resolve", conflict: r.uint("the conflict"), keep: readKeep(r) }),
  },

  resolved: {
    number: 27,
    write(w, message) {
      w.path(message.path);
      w.bool(message.beside !== null);
      if (message.beside !== null) w.path(message.beside);
    },
    read: (r) => ({
      type: "resolved",
      path: r.path(),
      beside: r.bool("whether it stands beside") ? r.path() : null,
    }),
  },
};

function writeVersion(w: Writer, version: PastVersion): void {
  writeVersionRef(w, version);
  w.u8(PAST_OPERATIONS.indexOf(version.operation));
  writeEntry(w, version.entry);
  w.uint("the base", version.base);
  w.bool(version.from !== null);
  if (version.from !== null) w.path(version.from);
  w.text("the user's name", version.author.user, NAME_TEXT_BYTES_MAX);
  w.text("the device's name", version.author.device, NAME_TEXT_BYTES_MAX);
  w.time("the time", version.time);
  w.time("the clock's offset", version.clockOffset);
  w.bool(version.head);
}

function readVersion(r: Reader): PastVersion {
  const ref = readVersionRef(r);
  const operation = PAST_OPERATIONS[r.u8()] ?? r.fail("the operation is unknown");
  return {
    ...ref,
    operation,
    entry: readEntryOrNone(r),
    base: r.uint("the base"),
    from: r.bool("whether it was elsewhere") ? r.path() : null,
    author: {
      user: r.text("the user's name", NAME_TEXT_BYTES_MAX),
      device: r.text("the device's name", NAME_TEXT_BYTES_MAX),
    },
    time: r.time("the time"),
    clockOffset: r.time("the clock's offset"),
    head: r.bool("whether it is the head"),
  };
}

function writeOptional(w: Writer, version: PastVersion | null): void {
  w.bool(version !== null);
  if (version !== null) writeVersion(w, version);
}

function readOptional(r: Reader): PastVersion | null {
  return r.bool("whether there is a version") ? readVersion(r) : null;
}

function writeConflict(w: Writer, conflict: PastConflict): void {
  w.uint("the conflict", conflict.id);
  w.path(conflict.path);
  for (const side of [conflict.winner, conflict.loser, conflict.base]) writeOptional(w, side);
  w.message("the reason", conflict.reason);
  w.time("the time", conflict.time);
  w.bool(conflict.resolved);
}

function readConflict(r: Reader): PastConflict {
  return {
    id: r.uint("the conflict"),
    path: r.path(),
    winner: readOptional(r),
    loser: readOptional(r),
    base: readOptional(r),
    reason: r.message("the reason"),
    time: r.time("the time"),
    resolved: r.bool("whether it is resolved"),
  };
}

function writeGoal(w: Writer, goal: RestoreGoal): void {
  switch (goal.kind) {
    case "version":
      w.u8(VERSION);
      return w.uint("the revision", goal.revision);
    case "time":
      w.u8(TIME);
      return w.time("the time", goal.time);
    case "undelete":
      return w.u8(UNDELETE);
  }
}

function readGoal(r: Reader): RestoreGoal {
  const kind = r.u8();
  if (kind === VERSION) return { kind: "version", revision: r.uint("the revision") };
  if (kind === TIME) return { kind: "time", time: r.time("the time") };
  return kind === UNDELETE ? { kind: "undelete" } : r.fail("what to restore is unknown");
}

function writeStep(w: Writer, step: RestoreStep): void {
  w.u8(RESTORE_ACTIONS.indexOf(step.action));
  writeVersionRef(w, { path: step.path, revision: step.version });
}

function readStep(r: Reader): RestoreStep {
  const action = RESTORE_ACTIONS[r.u8()] ?? r.fail("the action of a step is unknown");
  const { path, revision } = readVersionRef(r);
  return { action, path, version: revision };
}

function writeKeep(w: Writer, keep: Keep): void {
  switch (keep.kind) {
    case "head":
      return w.u8(HEAD);
    case "version":
      w.u8(KEEP_VERSION);
      return w.uint("the revision", keep.revision);
    case "both":
      return w.u8(BOTH);
  }
}

function readKeep(r: Reader): Keep {
  const kind = r.u8();
  if (kind === HEAD) return { kind: "head" };
  if (kind === KEEP_VERSION) return { kind: "version", revision: r.uint("the revision") };
  return kind === BOTH ? { kind: "both" } : r.fail("what to keep is unknown");
}
