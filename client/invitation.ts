/**
 * The one line of an invitation: `fsync://USER@HOST:PORT/<key>/<name>/<secret>`. Key and name pin the server (33 and 16
 * bytes), the secret is 16 bytes, each as base64url. A server without TLS has `plain` in the place of key and name. All
 * characters mean themselves in a shell.
 */
import { SECRET_BYTES } from "../protocol/limits.ts";
import { AddressError, formatAddress, parseAddress } from "../system/address.ts";
import { NAME_BYTES, POINT_BYTES, type ServerPin } from "../system/server_pin.ts";

export interface InvitationLine {
  /** Who is invited. */
  readonly user: string;
  /** `host:port` */
  readonly server: string;
  /** `null`: the server has no TLS. */
  readonly pin: ServerPin | null;
  readonly secret: Uint8Array;
}

/** A text is no invitation. */
export class InvitationError extends Error {
  override name = "InvitationError";
  readonly hint = "paste the whole line that fsync invite printed, from fsync:// to its end";
  constructor(reason: string) {
    super(`Cannot read the invitation: ${reason}`);
  }
}

const SCHEME = "fsync://";
const PLAIN = "plain";
/** Far more than a name and an address need. */
const LINE_CHARS_MAX = 2048;
const USER_CHARS_MAX = 256;
/** What is pasted along: the command before it, and quotes. */
const AROUND = /^(?:\$\s*)?(?:fsync\s+join\s+)?["'<]*|["'>]*$/g;

export function formatInvitation({ user, server, pin, secret }: InvitationLine): string {
  const address = encodeURIComponent(server).replaceAll("%3A", ":");
  const parts = pin === null ? [PLAIN] : [base64url(pin.point), base64url(pin.name)];
  const who = encodeURIComponent(user).replaceAll(/[!'()*~]/g, hexOf);
  return `${SCHEME}${who}@${address}/${[...parts, base64url(secret)].join("/")}`;
}

/** Reads an invitation as people paste it. @throws {InvitationError} */
export function parseInvitation(text: string): InvitationLine {
  if (text.length > LINE_CHARS_MAX) throw new InvitationError("it is much too long");
  const line = text.trim().replace(AROUND, "").replace(AROUND, "").trim();
  if (line === "") throw new InvitationError("it is empty");
  if (!line.startsWith(SCHEME)) throw new InvitationError(`it does not begin with ${SCHEME}`);
  if (/\s/.test(line)) throw new InvitationError("there is a space or a line break in it");
  const [head, ...parts] = line.slice(SCHEME.length).split("/");
  const at = head!.lastIndexOf("@");
  if (at <= 0) throw new InvitationError("it names no user");
  const user = decode(head!.slice(0, at));
  // deno-lint-ignore no-control-regex
  if (user.length > USER_CHARS_MAX || /[\x00-\x1f\x7f]/.test(user)) {
    throw new InvitationError("the user's name is not valid");
  }
  const server = addressOf(decode(head!.slice(at + 1)));
  if (parts[0] === PLAIN) {
    const [, secret, ...more] = parts;
    if (more.length > 0) throw new InvitationError("it goes on behind its end");
    return { user, server, pin: null, secret: bytesOf("secret", secret, SECRET_BYTES) };
  }
  const [point, name, secret, ...more] = parts;
  if (more.length > 0) throw new InvitationError("it goes on behind its end");
  const pin = {
    point: bytesOf("server's key", point, POINT_BYTES),
    name: bytesOf("server's name", name, NAME_BYTES),
  };
  return { user, server, pin, secret: bytesOf("secret", secret, SECRET_BYTES) };
}

function addressOf(text: string): string {
  try {
    const { host, port } = parseAddress(text);
    return formatAddress(host, port);
  } catch (error) {
    if (error instanceof AddressError) throw new InvitationError("the server's address is not valid");
    throw error;
  }
}

function bytesOf(what: string, text: string | undefined, length: number): Uint8Array {
  if (text === undefined || text === "") throw new InvitationError(`the ${what} is missing; it was cut`);
  const bytes = decodeBase64url(text);
  if (bytes === null) throw new InvitationError(`the ${what} is not valid`);
  if (bytes.length < length) throw new InvitationError(`the ${what} is too short; it was cut`);
  if (bytes.length > length) throw new InvitationError(`the ${what} is too long`);
  return bytes;
}

function decodeBase64url(text: string): Uint8Array | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    // One spelling for one meaning.
    return base64url(bytes) === text ? bytes : null;
  } catch {
    return /^[\w-]*$/.test(text) ? new Uint8Array(0) : null;
  }
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvitationError("it has a % that means nothing");
  }
}

function hexOf(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}
