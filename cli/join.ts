import { existsSync } from "@std/fs";
import { hostname } from "node:os";
import { addCredential, type Credential } from "../client/credentials.ts";
import { UnreachableError } from "../client/errors.ts";
import { writeFolderCredential } from "../client/group_credential.ts";
import { type InvitationLine, parseInvitation } from "../client/invitation.ts";
import { join as joinServer } from "../client/join.ts";
import { type PendingJoin, PendingJoins } from "../client/pending_join.ts";
import { openState } from "../client/sqlite_state.ts";
import type { State } from "../client/state.ts";
import { RemoteError } from "../protocol/errors.ts";
import type { Joined } from "../protocol/messages.ts";
import { NAME_TEXT_BYTES_MAX } from "../protocol/limits.ts";
import { displayPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { groupOfFolder } from "../system/group_area.ts";
import { IdentityError } from "../system/identity.ts";
import { systemRandom } from "../system/random.ts";
import { ConnectError } from "../system/tcp_link.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, SetupError, UsageError } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { isThere } from "./_nesting.ts";
import { DEFAULT_CLIENT_DIR, prepareClientRoot, takeLock } from "./_replica.ts";
import { SOFTWARE } from "./_software.ts";

export const join: Command = {
  name: "join",
  summary: "make a directory of this machine part of a server, by an invitation",
  usage: "LINE [DIR=./client_files]",
  about: [
    "LINE is what fsync invite printed on the server; with - it is read from standard input. It lets one device in, once: " +
    "this machine gets a credential of its own, which only this user can read. What lies in DIR already is merged with " +
    "the server's folder at the first sync; nothing is deleted.",
    "If the answer is lost on its way, run the same command again: it goes on with what it had begun.",
  ],
  flags: [],
  example: "fsync join fsync://ann@files.example.org:65432/… ./client_files\nfsync watch ./client_files",
  words: { min: 1, max: 2 },
  run: runJoin,
};

async function runJoin(context: Context): Promise<number> {
  const [word, dir = DEFAULT_CLIENT_DIR] = context.words;
  const line = parseInvitation(word === "-" ? await readInput() : word!);
  const isNew = { dir: !isThere(dir), area: !isThere(`${dir}/.fsync`) };
  const root = prepareClientRoot(dir);
  const pending = new PendingJoins();
  const interrupt = onInterrupt();
  const lock = takeLock(root, "command");
  let done = false;
  try {
    const joined = await joinDirectory({ line, dir, root, pending }, interrupt.signal);
    pending.end(line, systemClock.now());
    done = true;
    tell(context, line, dir, joined);
    return EXIT.ok;
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    if (!done) takeBack(root, isNew);
    lock.release();
    interrupt.end();
  }
}

/** A directory that was not joined is left as it was found. */
function takeBack(root: string, isNew: { readonly dir: boolean; readonly area: boolean }): void {
  try {
    if (isNew.area) Deno.removeSync(`${root}/.fsync`, { recursive: true });
    if (isNew.dir) Deno.removeSync(root);
  } catch {
    // Somebody put something there meanwhile.
  }
}

interface Wish {
  readonly line: InvitationLine;
  /** As it was named, and in full. */
  readonly dir: string;
  readonly root: string;
  readonly pending: PendingJoins;
}

const OTHER_DIR = "choose another directory: fsync join LINE DIR";

/** In an order that, wherever it breaks off, leaves the same command to be run again. */
async function joinDirectory(wish: Wish, signal: AbortSignal): Promise<Joined> {
  const state = openState(`${wish.root}/.fsync/state.db`, systemRandom);
  try {
    // Before the invitation is used: it lets one device in, and that must have a place.
    checkFree(state, wish);
    const device = wish.pending.begin(wish.line, systemRandom);
    const { joined, credential } = await ask(wish.line, device, signal);
    bind(state, wish, joined, credential);
    return joined;
  } finally {
    // Which makes durable what it was bound to.
    state.close();
  }
}

/** @throws {SetupError} if the directory belongs to another server */
function checkFree(state: State, { line: { server }, dir }: Wish): void {
  const { folder, server: known } = state.binding();
  if (folder === null || known === server) return;
  throw new SetupError(
    "failed",
    `Cannot join "${dir}": it is synced with ${known} already`,
    `${OTHER_DIR}; if that server has a new address: fsync watch ${dir} --server ${server}`,
  );
}

async function ask(
  line: InvitationLine,
  device: PendingJoin,
  signal: AbortSignal,
): Promise<{ joined: Joined; credential: Credential }> {
  const options = { clock: systemClock, software: SOFTWARE, deviceName: deviceName(), signal };
  try {
    return await joinServer(line, device, options);
  } catch (error) {
    throw explained(error, line);
  }
}

function deviceName(): string {
  return [...hostname()].slice(0, NAME_TEXT_BYTES_MAX / 4).join("") || "unnamed";
}

function explained(error: unknown, { server }: InvitationLine): unknown {
  const again = "the invitation is not used up by this: run the same command again";
  if (error instanceof RemoteError && error.code === "denied") {
    return new SetupError(
      "denied",
      `Cannot join: ${server} does not accept this invitation`,
      "it was used, has expired or was taken back; ask for a new one",
    );
  }
  if (error instanceof RemoteError && error.code === "closing") {
    return new UnreachableError(`Cannot join: ${error.message}`, again);
  }
  if (error instanceof IdentityError || (error instanceof ConnectError && error.code === "tls")) {
    const hint = "the line is for another server, or somebody is in between; ask its owner";
    return new SetupError("denied", error.message, hint);
  }
  if (error instanceof ConnectError) {
    return new UnreachableError(error.message, `${again} (${error.hint})`);
  }
  return error instanceof UnreachableError ? new UnreachableError(error.message, again) : error;
}

/** @throws {SetupError} if the directory belongs to another folder of the server; the credential is stored then */
function bind(state: State, { line, dir, root }: Wish, joined: Joined, credential: Credential): void {
  const key = addCredential(credential);
  const { folder, folderName } = state.binding();
  if (folder !== null && folder !== joined.folder) {
    throw new SetupError(
      "failed",
      `Cannot join "${dir}": it is synced with another folder of ${line.server}` +
        (folderName === "" ? "" : ` (${folderName})`),
      "the invitation is still good here: run the same command with another directory",
    );
  }
  const binding = { server: line.server, folderName: joined.folderName, credential: key };
  state.write({ binding: folder === null ? { ...binding, folder: joined.folder } : binding });
  // The members of a Unix group who share the directory come as this device too.
  const gid = existsSync(`${root}/.fsync/credential.json`) ? groupOfFolder(root) : null;
  if (gid !== null) writeFolderCredential(root, line.server, credential, gid);
}

function tell({ output }: Context, { server }: InvitationLine, dir: string, joined: Joined): void {
  const { user, folderName } = joined;
  if (output.json) {
    output.document({ result: "ok", server, folder: folderName, user, device: deviceName(), dir });
    return;
  }
  output.info(
    `Joined: ${dir} belongs to the folder ${displayPath(folderName)} of ${server} now, as ${
      displayPath(user)
    }.`,
  );
  output.info(`Next: fsync watch ${dir}       keeps it in step until stopped`);
  output.info(`  or: fsync sync-all ${dir}    for one pass, as cron would run it`);
}

/** The line, from standard input: so it is in no list of processes and in no shell's history. */
async function readInput(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of Deno.stdin.readable) {
    text += decoder.decode(part, { stream: true });
    if (text.length > INPUT_CHARS_MAX) break;
    if (text.includes("\n") && text.trim() !== "") break;
  }
  if (text.trim() === "") throw new UsageError("Cannot join: there is no line on standard input");
  return text.slice(0, INPUT_CHARS_MAX);
}

const INPUT_CHARS_MAX = 10_000;
