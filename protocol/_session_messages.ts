/** Messages that begin, keep and end a session. */
import { Buffer } from "node:buffer";
import { bare, type FieldsOf, readList, writeList } from "./_fields.ts";
import type { Reader } from "./_reader.ts";
import type { Writer } from "./_writer.ts";
import { ERROR_CODES, type ErrorCode } from "./errors.ts";
import { HEARTBEAT_MS_MAX, NAME_TEXT_BYTES_MAX, TOKEN_BYTES_MAX, VERSIONS_MAX } from "./limits.ts";
import { MAGIC } from "./messages.ts";

const ID_BYTES = 16;
const VERSION_MAX = 0xffff;
const READ = 1, WRITE = 2;
const MAGIC_BYTES = new TextEncoder().encode(MAGIC);
const ERROR_OF_NUMBER = new Map<number, ErrorCode>(
  Object.entries(ERROR_CODES).map(([code, number]) => [number, code as ErrorCode]),
);

export function writeErrorCode(w: Writer, code: ErrorCode): void {
  w.u8(ERROR_CODES[code]);
}

export function readErrorCode(r: Reader): ErrorCode {
  return ERROR_OF_NUMBER.get(r.u8()) ?? r.fail("the error code is unknown");
}

function writeName(w: Writer, what: string, name: string): void {
  w.text(what, name, NAME_TEXT_BYTES_MAX);
}

function readName(r: Reader, what: string): string {
  return r.text(what, NAME_TEXT_BYTES_MAX);
}

export const SESSION_MESSAGES: FieldsOf<
  "hello" | "welcome" | "subscribe" | "lookAgain" | "ping" | "pong" | "error"
> = {
  hello: {
    number: 1,
    write(w, message) {
      w.raw(MAGIC_BYTES);
      if (message.versions.length === 0) w.fail("it offers no version");
      writeList(w, "the count of versions", message.versions, VERSIONS_MAX, (w, version) => {
        w.uint("a version", version, VERSION_MAX);
      });
      writeName(w, "the software's name", message.software);
      writeName(w, "the folder's name", message.folder);
      w.hex("the replica", message.replica, ID_BYTES);
      w.hex("the device", message.device, ID_BYTES);
      w.uint("the length of the token", message.token.length, TOKEN_BYTES_MAX);
      w.raw(message.token);
      w.time("the clock", message.clock);
    },
    read(r) {
      if (!Buffer.from(MAGIC_BYTES).equals(r.raw(MAGIC_BYTES.length))) {
        r.fail("it does not begin as a Hello does");
      }
      const versions = readList(
        r,
        "the count of versions",
        VERSIONS_MAX,
        (r) => r.uint("a version", VERSION_MAX),
      );
      if (versions.length === 0) r.fail("it offers no version");
      return {
        type: "hello",
        versions,
        software: readName(r, "the software's name"),
        folder: readName(r, "the folder's name"),
        replica: r.hex(ID_BYTES),
        device: r.hex(ID_BYTES),
        token: r.raw(r.uint("the length of the token", TOKEN_BYTES_MAX)),
        clock: r.time("the clock"),
      };
    },
  },

  welcome: {
    number: 2,
    write(w, message) {
      w.uint("the version", message.version, VERSION_MAX);
      writeName(w, "the software's name", message.software);
      w.hex("the folder", message.folder, ID_BYTES);
      w.hex("the epoch", message.epoch, ID_BYTES);
      w.uint("the head", message.head);
      w.time("the clock", message.clock);
      writeName(w, "the user's name", message.user);
      writeName(w, "the device's name", message.deviceName);
      w.u8(message.access === "write" ? WRITE : READ);
      w.uint("the count of conflicts", message.conflicts);
      if (message.heartbeatMs === 0) w.fail("the heartbeat is out of bounds");
      w.uint("the heartbeat", message.heartbeatMs, HEARTBEAT_MS_MAX);
    },
    read(r) {
      return {
        type: "welcome",
        version: r.uint("the version", VERSION_MAX),
        software: readName(r, "the software's name"),
        folder: r.hex(ID_BYTES),
        epoch: r.hex(ID_BYTES),
        head: r.uint("the head"),
        clock: r.time("the clock"),
        user: readName(r, "the user's name"),
        deviceName: readName(r, "the device's name"),
        access: readAccess(r),
        conflicts: r.uint("the count of conflicts"),
        heartbeatMs: r.uint("the heartbeat", HEARTBEAT_MS_MAX) || r.fail("the heartbeat is out of bounds"),
      };
    },
  },

  subscribe: {
    number: 3,
    write(w, message) {
      w.uint("the cursor", message.since);
      w.bool(message.live);
    },
    read: (r) => ({ type: "subscribe", since: r.uint("the cursor"), live: r.bool("whether it is live") }),
  },

  lookAgain: bare(5, { type: "lookAgain" }),
  ping: bare(15, { type: "ping" }),
  pong: bare(16, { type: "pong" }),

  error: {
    number: 17,
    write(w, message) {
      writeErrorCode(w, message.code);
      w.message("the message", message.message);
      w.message("the hint", message.hint);
    },
    read: (r) => ({
      type: "error",
      code: readErrorCode(r),
      message: r.message("the message"),
      hint: r.message("the hint"),
    }),
  },
};

function readAccess(r: Reader): "read" | "write" {
  const access = r.u8();
  if (access !== READ && access !== WRITE) r.fail("the access is neither read nor write");
  return access === WRITE ? "write" : "read";
}
