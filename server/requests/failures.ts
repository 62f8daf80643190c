/** What a client is told when a request of it failed. */
import type { Rights } from "../../core/access.ts";
import { ContentChanged } from "../../protocol/data_stream.ts";
import { type ErrorCode, RemoteError } from "../../protocol/errors.ts";
import type { ErrorMessage } from "../../protocol/messages.ts";
import { Refused } from "../refuse.ts";
import { ContentsError } from "../store/contents.ts";
import { RecordsError } from "../store/records.ts";

/** The answer to a request that failed, or `null` if the session has to end. */
export function answerFor(error: unknown, rights: Rights): ErrorMessage | null {
  if (error instanceof Refused || error instanceof RemoteError) {
    return { type: "error", code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof ContentChanged) {
    return failed("corrupt", "Cannot send: a content is damaged", "run fsync check");
  }
  const code = codeOf(error);
  if (code === null || !(error instanceof Error)) return null;
  // What the store says names files of the server, and perhaps contents of others.
  if (code === "noSpace") return failed(code, GENERAL.get(code)!, "its owner has to make room");
  if (!rights.allowsTree(null, "write")) return failed(code, GENERAL.get(code)!, "");
  return failed(code, error.message, error instanceof RecordsError ? error.hint : "");
}

const GENERAL: ReadonlyMap<ErrorCode, string> = new Map([
  ["corrupt", "Cannot do that: a content is not what it should be"],
  ["noSpace", "Cannot store more: no space is left on the server"],
  ["limit", "Cannot do that: too much is under way already"],
  ["internal", "Cannot do that: the server failed"],
]);

function codeOf(error: unknown): ErrorCode | null {
  if (error instanceof RecordsError) return error.code === "no_space" ? "noSpace" : "internal";
  if (!(error instanceof ContentsError)) return null;
  if (error.code === "no_space") return "noSpace";
  return error.code === "corrupt" || error.code === "limit" ? error.code : "internal";
}

function failed(code: ErrorCode, message: string, hint: string): ErrorMessage {
  return { type: "error", code, message, hint };
}
