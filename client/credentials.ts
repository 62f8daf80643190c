/**
 * How this user gets into a server: one file for each, `servers/<host>_<port>.json` in the state directory, mode 0600;
 * for further users of the same server `servers/<host>_<port>@<user>.json`. The server leaves one for its own Unix user,
 * as `localhost_<port>`. A synced directory remembers which one opens its server.
 */
import { createHash } from "node:crypto";
import type { Id } from "../protocol/messages.ts";
import { type Address, isOwnHost, parseAddress } from "../system/address.ts";
import { makePrivateDir, readPrivateFile, writePrivateFile } from "../system/private_file.ts";
import { stateDir } from "../system/state_dirs.ts";

export interface Credential {
  /** Where to connect to, `host:port`. */
  readonly server: string;
  /** The CA to pin; `null` for a server without TLS. */
  readonly tls: { readonly caPem: string } | null;
  readonly device: Id;
  /** base64url. A secret. */
  readonly token: string;
  readonly user: string;
  readonly folder: Id;
}

/** A file in the list of credentials, usable or not. */
export type StoredCredential =
  | { readonly key: string; readonly credential: Credential }
  | { readonly key: string; readonly problem: Error };

/** A credential cannot be read. */
export class CredentialError extends Error {
  override name = "CredentialError";
  readonly hint = "join the server again with a new invite";
  constructor(path: string, reason: string) {
    super(`Cannot read the credential "${path}": ${reason}`);
  }
}

/** Raised when a change would mislead an older program. */
const FORMAT = 1;
const ID = /^[0-9a-f]{32}$/;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * The credential for `server` (`host:port` or `host`), or `null` if there is none.
 * @throws {AddressError} if `server` is no address
 * @throws {CredentialError} if the file is damaged
 * @throws {ExposedFileError} if others may read it
 */
export function readCredential(server: string, dir: string = stateDir()): Credential | null {
  return readKey(credentialKey(parseAddress(server)), dir);
}

/**
 * The credential that a directory remembers for `server`: the one with this key, or, if the key is empty, the one for
 * the address. `null` if there is none.
 * @throws as {@link readCredential}
 */
export function readRemembered(server: string, key: string, dir: string = stateDir()): Credential | null {
  return key === "" ? readCredential(server, dir) : isKey(key) ? readKey(key, dir) : null;
}

/** Every stored credential, by key. One that cannot be used is listed with its problem. */
export function listCredentials(dir: string = stateDir()): StoredCredential[] {
  return keysIn(dir).map((key) => {
    try {
      return { key, credential: readKey(key, dir)! };
    } catch (error) {
      return { key, problem: error as Error };
    }
  });
}

/**
 * Stores `credential`, in place of the one before.
 * @param at the address that it will be looked up by, if that is not the one to connect to
 */
export function writeCredential(
  credential: Credential,
  options: { readonly at?: string; readonly dir?: string } = {},
): void {
  const { at = credential.server, dir = stateDir() } = options;
  const path = pathOf(credentialKey(parseAddress(at)), dir);
  makePrivateDir(`${dir}/servers`);
  writePrivateFile(path, credentialText(credential));
}

/**
 * Stores `credential` beside those of other users of the same server, and in place of one that the same user had.
 * Durable when it returns.
 *
 * @returns its key
 */
export function addCredential(credential: Credential, dir: string = stateDir()): string {
  const address = credentialKey(parseAddress(credential.server));
  const key = isTaken(address, credential, dir) ? `${address}@${userPart(credential.user)}` : address;
  makePrivateDir(`${dir}/servers`);
  writePrivateFile(pathOf(key, dir), credentialText(credential));
  return key;
}

/** Whether another user has this key. */
function isTaken(key: string, { user }: Credential, dir: string): boolean {
  try {
    const there = readKey(key, dir);
    return there !== null && there.user !== user;
  } catch {
    // Nobody can use it any more.
    return false;
  }
}

/** A user's name as a part of a file name; two names never give the same. */
function userPart(user: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(user)) return user;
  return `~${createHash("sha256").update(user).digest("hex").slice(0, 32)}`;
}

function isKey(key: string): boolean {
  return key.length <= 300 && !key.startsWith(".") && !/[\/\0]/.test(key);
}

/** What {@link parseCredential} reads. */
export function credentialText(credential: Credential): string {
  return JSON.stringify({ format: FORMAT, ...credential }, null, 2) + "\n";
}

/** `<host>_<port>`; all names of this machine are `localhost`. */
export function credentialKey({ host, port }: Address): string {
  return `${isOwnHost(host) ? "localhost" : host}_${port}`;
}

function keysIn(dir: string): string[] {
  try {
    return [...Deno.readDirSync(`${dir}/servers`)]
      .map(({ name }) => name)
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length))
      .sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function readKey(key: string, dir: string): Credential | null {
  const path = pathOf(key, dir);
  const text = readPrivateFile(path);
  return text === null ? null : parseCredential(text, path);
}

function pathOf(key: string, dir: string): string {
  return `${dir}/servers/${key}.json`;
}

/** @throws {CredentialError} naming the file `path` that the text is from */
export function parseCredential(text: string, path: string): Credential {
  const fields = parseObject(text, path);
  if (fields.get("format") !== FORMAT) throw new CredentialError(path, "its format is not known");
  const field = (name: string, fits: (text: string) => boolean): string => {
    const value = fields.get(name);
    if (typeof value !== "string" || !fits(value)) throw new CredentialError(path, `"${name}" is not valid`);
    return value;
  };
  return {
    server: field("server", isAddress),
    tls: parseTls(fields.get("tls"), path),
    device: field("device", (text) => ID.test(text)),
    token: field("token", (text) => BASE64URL.test(text)),
    user: field("user", (text) => text !== ""),
    folder: field("folder", (text) => ID.test(text)),
  };
}

function parseTls(tls: unknown, path: string): Credential["tls"] {
  if (tls === null) return null;
  if (typeof tls === "object" && tls !== undefined && "caPem" in tls! && typeof tls.caPem === "string") {
    return { caPem: tls.caPem };
  }
  // A damaged pin must never be taken for "no TLS".
  throw new CredentialError(path, '"tls" is not valid');
}

function parseObject(text: string, path: string): Map<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return new Map(Object.entries(value));
  } catch {
    // Falls through to the same answer.
  }
  throw new CredentialError(path, "it is damaged");
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}
