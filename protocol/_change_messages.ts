/** Messages about changes: pages of heads, uploads and their results. */
import { readAuthors, writeAuthors } from "./_authors.ts";
import {
  readBlock,
  readEntry,
  readEntryOrNone,
  readVersionRef,
  writeBlock,
  writeEntry,
  writeVersionRef,
} from "./_entries.ts";
import { type FieldsOf, readList, writeList } from "./_fields.ts";
import type { Reader } from "./_reader.ts";
import { inlineProblem, renameProblem, sourceProblem } from "./_rules.ts";
import { readErrorCode, writeErrorCode } from "./_session_messages.ts";
import type { Writer } from "./_writer.ts";
import { ITEMS_MAX } from "./limits.ts";
import type { Author, ContentSource, Notice, UploadItem, UploadResult } from "./messages.ts";

const SET = 1, SET_FROM = 2, GONE = 3, MOVED = 4;
const PUT = 1, DELETE = 2, RENAME = 3;
const INLINE = 1, VERSION = 2, STAGED = 3;
const OK = 1, SKIP = 2, CONFLICT = 3, STALE = 4, ERROR = 5;

export const CHANGE_MESSAGES: FieldsOf<"changes" | "upload" | "results"> = {
  changes: {
    number: 4,
    write(w, message) {
      w.uint("the cursor", message.upTo);
      w.bool(message.more);
      w.uint("the count of conflicts", message.conflicts);
      const places = writeAuthors(w, message.notices);
      let index = 0;
      writeList(w, "the count of notices", message.notices, ITEMS_MAX, (w, notice) => {
        writeNotice(w, notice, places[index++]!);
      });
    },
    read(r) {
      const upTo = r.uint("the cursor");
      const more = r.bool("whether more follows");
      const conflicts = r.uint("the count of conflicts");
      const authors = readAuthors(r);
      const notices = readList(r, "the count of notices", ITEMS_MAX, (r) => readNotice(r, authors));
      return { type: "changes", notices, upTo, more, conflicts };
    },
  },

  upload: {
    number: 6,
    write(w, message) {
      w.check(inlineProblem(message.items, message.block));
      writeList(w, "the count of items", message.items, ITEMS_MAX, writeItem);
      writeBlock(w, message.block);
    },
    read(r) {
      const items = readList(r, "the count of items", ITEMS_MAX, readItem);
      const block = readBlock(r);
      r.check(inlineProblem(items, block));
      return { type: "upload", items, block };
    },
  },

  results: {
    number: 7,
    write(w, message) {
      writeList(w, "the count of results", message.results, ITEMS_MAX, writeResult);
    },
    read: (r) => ({ type: "results", results: readList(r, "the count of results", ITEMS_MAX, readResult) }),
  },
};

function writeNotice(w: Writer, notice: Notice, author: number): void {
  switch (notice.kind) {
    case "set":
      w.u8(notice.from === null ? SET : SET_FROM);
      w.uint("the author", author);
      w.uint("the revision", notice.revision);
      w.path(notice.path);
      if (notice.from !== null) w.path(notice.from);
      return writeEntry(w, notice.entry);
    case "gone":
      w.u8(GONE);
      w.uint("the author", author);
      w.uint("the revision", notice.revision);
      return w.path(notice.path);
    case "moved":
      w.check(renameProblem(notice.from, notice.to));
      w.u8(MOVED);
      w.uint("the author", author);
      w.uint("the revision", notice.revision);
      w.path(notice.from);
      return w.path(notice.to);
  }
}

function readNotice(r: Reader, authors: readonly Author[]): Notice {
  const kind = r.u8();
  if (kind < SET || kind > MOVED) r.fail("the kind of a notice is unknown");
  const author = authors[r.uint("the author")] ?? r.fail("an author is not in the table");
  const revision = r.uint("the revision");
  const path = r.path();
  if (kind === SET) return { kind: "set", path, revision, entry: readEntry(r), from: null, author };
  if (kind === GONE) return { kind: "gone", path, revision, author };
  const second = r.path();
  if (kind === SET_FROM) return { kind: "set", path, revision, entry: readEntry(r), from: second, author };
  r.check(renameProblem(path, second));
  return { kind: "moved", from: path, to: second, revision, author };
}

function writeItem(w: Writer, item: UploadItem): void {
  switch (item.op) {
    case "put":
      w.check(sourceProblem(item.entry, item.source));
      w.u8(PUT);
      w.path(item.path);
      w.uint("the base", item.base);
      writeEntry(w, item.entry);
      if (item.source !== null) writeSource(w, item.source);
      return;
    case "delete":
      w.u8(DELETE);
      w.path(item.path);
      return w.uint("the base", item.base);
    case "rename":
      w.check(renameProblem(item.from, item.to));
      if (item.count === 0) w.fail("a rename has no entries");
      w.u8(RENAME);
      w.path(item.from);
      w.path(item.to);
      w.uint("the base", item.base);
      return w.uint("the count of entries", item.count);
  }
}

function readItem(r: Reader): UploadItem {
  const op = r.u8();
  if (op === PUT) {
    const path = r.path();
    const base = r.uint("the base");
    const entry = readEntry(r);
    const source = entry.kind === "file" ? readSource(r) : null;
    r.check(sourceProblem(entry, source));
    return { op: "put", path, base, entry, source };
  }
  if (op === DELETE) return { op: "delete", path: r.path(), base: r.uint("the base") };
  if (op !== RENAME) return r.fail("the kind of an item is unknown");
  const from = r.path();
  const to = r.path();
  r.check(renameProblem(from, to));
  const base = r.uint("the base");
  const count = r.uint("the count of entries") || r.fail("a rename has no entries");
  return { op: "rename", from, to, base, count };
}

function writeSource(w: Writer, source: ContentSource): void {
  switch (source.from) {
    case "inline":
      return w.u8(INLINE);
    case "version":
      w.u8(VERSION);
      return writeVersionRef(w, source);
    case "staged":
      return w.u8(STAGED);
  }
}

function readSource(r: Reader): ContentSource {
  const from = r.u8();
  if (from === INLINE) return { from: "inline" };
  if (from === VERSION) return { from: "version", ...readVersionRef(r) };
  return from === STAGED ? { from: "staged" } : r.fail("the source of a file is unknown");
}

function writeResult(w: Writer, result: UploadResult): void {
  switch (result.status) {
    case "ok":
      w.u8(OK);
      return w.uint("the revision", result.revision);
    case "skip":
      w.u8(SKIP);
      w.uint("the revision", result.revision);
      return writeEntry(w, result.entry);
    case "conflict":
      w.u8(CONFLICT);
      w.bool(result.won);
      w.uint("the revision", result.revision);
      w.bool(result.storedAs !== null);
      if (result.storedAs !== null) w.path(result.storedAs);
      return w.message("the reason", result.reason);
    case "stale":
      return w.u8(STALE);
    case "error":
      w.u8(ERROR);
      writeErrorCode(w, result.code);
      return w.message("the message", result.message);
  }
}

function readResult(r: Reader): UploadResult {
  const status = r.u8();
  switch (status) {
    case OK:
      return { status: "ok", revision: r.uint("the revision") };
    case SKIP:
      return { status: "skip", revision: r.uint("the revision"), entry: readEntryOrNone(r) };
    case CONFLICT:
      return {
        status: "conflict",
        won: r.bool("whether the upload won"),
        revision: r.uint("the revision"),
        storedAs: r.bool("whether it was stored elsewhere") ? r.path() : null,
        reason: r.message("the reason"),
      };
    case STALE:
      return { status: "stale" };
    case ERROR:
      return { status: "error", code: readErrorCode(r), message: r.message("the message") };
    default:
      return r.fail("the status of a result is unknown");
  }
}
