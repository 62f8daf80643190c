/** Messages that begin, keep and end a session. */
import { Buffer } from "node:buffer";
import type { Access, Rule } from "../core/access.ts";
import { bare, type FieldsOf, readList, writeList } from "./_fields.ts";
import type { Reader } from "./_reader.ts";
import type { Writer } from "./_writer.ts";
import { ERROR_CODES, type ErrorCode } from "./errors.ts";
import {
  CA_PEM_BYTES_MAX,
  HEARTBEAT_MS_MAX,
  NAME_TEXT_BYTES_MAX,
  RULES_MAX,
  SECRET_BYTES,
  TOKEN_BYTES_MAX,
  VERSIONS_MAX,
} from "./limits.ts";
import { MAGIC } from "./messages.ts";

const ID_BYTES = 16;
const VERSION_MAX = 0xffff;
const MAGIC_BYTES = new TextEncoder().encode(MAGIC);
const NUMBER_OF_ACCESS = new Map<Access, number>([["read", 1], ["write", 2]]);
const ACCESS_OF_NUMBER = new Map([...NUMBER_OF_ACCESS].map(([access, number]) => [number, access]));
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
  "hello" | "welcome" | "join" | "joined" | "subscribe" | "lookAgain" | "ping" | "pong" | "error"
> = {
  hello: {
    number: 1,
    write(w, message) {
      writeOpening(w, message.versions);
      writeName(w, "the software's name", message.software);
      writeName(w, "the folder's name", message.folder);
      w.hex("the replica", message.replica, ID_BYTES);
      writeCredential(w, message);
      w.time("the clock", message.clock);
    },
    read(r) {
      const versions = readOpening(r);
      return {
        type: "hello",
        versions,
        software: readName(r, "the software's name"),
        folder: readName(r, "the folder's name"),
        replica: r.hex(ID_BYTES),
        ...readCredential(r),
        clock: r.time("the clock"),
      };
    },
  },

  welcome: {
    number: 2,
    write(w, message) {
      w.uint("the version", message.version, VERSION_MAX);
      writeName(w, "the software's name", message.software);
      writeName(w, "the folder's name", message.folderName);
      w.hex("the folder", message.folder, ID_BYTES);
      w.hex("the epoch", message.epoch, ID_BYTES);
      w.uint("the head", message.head);
      w.time("the clock", message.clock);
      writeName(w, "the user's name", message.user);
      writeName(w, "the device's name", message.deviceName);
      w.hex("the view", message.view, ID_BYTES);
      writeList(w, "the count of rules", message.rules, RULES_MAX, writeRule);
      w.uint("the count of conflicts", message.conflicts);
      if (message.heartbeatMs === 0) w.fail("the heartbeat is out of bounds");
      w.uint("the heartbeat", message.heartbeatMs, HEARTBEAT_MS_MAX);
    },
    read(r) {
      return {
        type: "welcome",
        version: r.uint("the version", VERSION_MAX),
        software: readName(r, "the software's name"),
        folderName: readName(r, "the folder's name"),
        folder: r.hex(ID_BYTES),
        epoch: r.hex(ID_BYTES),
        head: r.uint("the head"),
        clock: r.time("the clock"),
        user: readName(r, "the user's name"),
        deviceName: readName(r, "the device's name"),
        view: r.hex(ID_BYTES),
        rules: readList(r, "the count of rules", RULES_MAX, readRule),
        conflicts: r.uint("the count of conflicts"),
        heartbeatMs: r.uint("the heartbeat", HEARTBEAT_MS_MAX) || r.fail("the heartbeat is out of bounds"),
      };
    },
  },

  join: {
    number: 28,
    write(w, message) {
      writeOpening(w, message.versions);
      writeName(w, "the software's name", message.software);
      if (message.secret.length !== SECRET_BYTES) w.fail("the secret has another length");
      w.raw(message.secret);
      writeName(w, "the device's name", message.deviceName);
      writeCredential(w, message);
    },
    read(r) {
      const versions = readOpening(r);
      return {
        type: "join",
        versions,
        software: readName(r, "the software's name"),
        secret: r.raw(SECRET_BYTES),
        deviceName: readName(r, "the device's name"),
        ...readCredential(r),
      };
    },
  },

  joined: {
    number: 29,
    write(w, message) {
      w.uint("the version", message.version, VERSION_MAX);
      writeName(w, "the software's name", message.software);
      writeName(w, "the user's name", message.user);
      writeName(w, "the folder's name", message.folderName);
      w.hex("the folder", message.folder, ID_BYTES);
      w.text("the CA", message.caPem, CA_PEM_BYTES_MAX);
    },
    read: (r) => ({
      type: "joined",
      version: r.uint("the version", VERSION_MAX),
      software: readName(r, "the software's name"),
      user: readName(r, "the user's name"),
      folderName: readName(r, "the folder's name"),
      folder: r.hex(ID_BYTES),
      caPem: r.text("the CA", CA_PEM_BYTES_MAX),
    }),
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

/** What every first message begins with. */
function writeOpening(w: Writer, versions: readonly number[]): void {
  w.raw(MAGIC_BYTES);
  if (versions.length === 0) w.fail("it offers no version");
  writeList(w, "the count of versions", versions, VERSIONS_MAX, (w, version) => {
    w.uint("a version", version, VERSION_MAX);
  });
}

function readOpening(r: Reader): number[] {
  if (!Buffer.from(MAGIC_BYTES).equals(r.raw(MAGIC_BYTES.length))) {
    r.fail("it does not begin as a first message does");
  }
  const versions = readList(
    r,
    "the count of versions",
    VERSIONS_MAX,
    (r) => r.uint("a version", VERSION_MAX),
  );
  return versions.length === 0 ? r.fail("it offers no version") : versions;
}

interface DeviceCredential {
  readonly device: string;
  readonly token: Uint8Array;
}

function writeCredential(w: Writer, { device, token }: DeviceCredential): void {
  w.hex("the device", device, ID_BYTES);
  w.uint("the length of the token", token.length, TOKEN_BYTES_MAX);
  w.raw(token);
}

function readCredential(r: Reader): DeviceCredential {
  return { device: r.hex(ID_BYTES), token: r.raw(r.uint("the length of the token", TOKEN_BYTES_MAX)) };
}

function writeRule(w: Writer, { prefix, access, history }: Rule): void {
  const number = NUMBER_OF_ACCESS.get(access);
  w.u8(number ?? w.fail("a rule forbids"));
  w.bool(history);
  w.bool(prefix !== null);
  if (prefix !== null) w.path(prefix);
}

function readRule(r: Reader): Rule {
  const access = ACCESS_OF_NUMBER.get(r.u8()) ?? r.fail("the access is neither read nor write");
  const history = r.bool("whether there is history");
  return { access, history, prefix: r.bool("whether there is a prefix") ? r.path() : null };
}
