/**
 * What a device makes for itself before it joins, kept until it has joined: whoever runs the same command again, after a
 * lost answer or a crash, comes as the same device, and the invitation is not used up by somebody who does not know it.
 */
import { createHash } from "node:crypto";
import type { Id } from "../protocol/messages.ts";
import { makePrivateDir, readPrivateFile, syncDir, writePrivateFile } from "../system/private_file.ts";
import type { Random } from "../system/random.ts";
import { stateDir } from "../system/state_dirs.ts";
import type { InvitationLine } from "./invitation.ts";

export interface PendingJoin {
  readonly device: Id;
  /** base64url. A secret. */
  readonly token: string;
}

/** As hard to guess as an AES-256 key. */
const TOKEN_BYTES = 32;
/** An invitation is long over when its join was begun so long ago, ms. */
const KEPT_MS_MAX = 90 * 86_400_000;
const FORMAT = 1;

export class PendingJoins {
  readonly #dir: string;

  constructor(dir: string = stateDir()) {
    this.#dir = `${dir}/joins`;
  }

  /** Whether a join by `line` was begun here and has not come to its end. */
  has(line: InvitationLine): boolean {
    return this.#read(line) !== null;
  }

  /** The device that joins by `line`: the one from before, or a new one. Durable when it returns. */
  begin(line: InvitationLine, random: Random): PendingJoin {
    const known = this.#read(line);
    if (known !== null) return known;
    const device = random.bytes(16).toHex();
    const token = random.bytes(TOKEN_BYTES).toBase64({ alphabet: "base64url", omitPadding: true });
    makePrivateDir(this.#dir);
    writePrivateFile(this.#pathOf(line), JSON.stringify({ format: FORMAT, device, token }) + "\n");
    return { device, token };
  }

  /** The join has come to its end: everything that it gave is stored elsewhere. */
  end(line: InvitationLine, now: number): void {
    remove(this.#pathOf(line));
    for (const path of this.#older(now - KEPT_MS_MAX)) remove(path);
    syncDir(this.#dir);
  }

  #read(line: InvitationLine): PendingJoin | null {
    const text = readPrivateFile(this.#pathOf(line));
    return text === null ? null : parse(text);
  }

  /** The secret itself is not kept. */
  #pathOf({ server, secret }: InvitationLine): string {
    const name = createHash("sha256").update(secret).update(server).digest("hex").slice(0, 32);
    return `${this.#dir}/${name}.json`;
  }

  *#older(than: number): Generator<string> {
    for (const { name } of Deno.readDirSync(this.#dir)) {
      const path = `${this.#dir}/${name}`;
      if ((Deno.lstatSync(path).mtime?.getTime() ?? Infinity) < than) yield path;
    }
  }
}

/** `null` if it is of no use: then a new one takes its place. */
function parse(text: string): PendingJoin | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    const { format, device, token } = value as Record<string, unknown>;
    const good = format === FORMAT && typeof device === "string" && /^[0-9a-f]{32}$/.test(device) &&
      typeof token === "string" && /^[A-Za-z0-9_-]{43}$/.test(token);
    return good ? { device, token } : null;
  } catch {
    return null;
  }
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
