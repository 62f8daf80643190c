/** What an item or a notice counts towards `TEXT_BYTES_MAX`, for those who fill a message. */
import type { Entry } from "../core/entry.ts";
import { utf8Length } from "../core/path.ts";
import type { Notice, UploadItem } from "./messages.ts";

/** UTF-8 bytes of the paths and the link target in `item`. */
export function itemTextBytes(item: UploadItem): number {
  if (item.op === "delete") return utf8Length(item.path);
  if (item.op === "rename") return utf8Length(item.from) + utf8Length(item.to);
  const source = item.source?.from === "version" ? utf8Length(item.source.path) : 0;
  return utf8Length(item.path) + targetBytes(item.entry) + source;
}

/** UTF-8 bytes of the paths and the link target in `notice`. */
export function noticeTextBytes(notice: Notice): number {
  if (notice.kind === "gone") return utf8Length(notice.path);
  if (notice.kind === "moved") return utf8Length(notice.from) + utf8Length(notice.to);
  const from = notice.from === null ? 0 : utf8Length(notice.from);
  return utf8Length(notice.path) + targetBytes(notice.entry) + from;
}

function targetBytes(entry: Entry): number {
  return entry.kind === "link" ? utf8Length(entry.target) : 0;
}
