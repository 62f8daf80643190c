/**
 * Copies a server's store while it is used, into a directory that a server can be started on. What the copy holds is the
 * folder as it was at one moment; its plain files follow from that when it is started.
 *
 * The order: records are copied first, aside, in one moment in which nothing is written; then the contents that they name,
 * which are never changed; then the records take their place. So the directory holds a complete backup at every moment,
 * the one before until the last step. A second backup into the same directory copies only what is new.
 */
import { copyDatabase } from "../../system/copy_database.ts";
import { makePrivateDir, syncDir } from "../../system/private_file.ts";
import { noteStep, type UpkeepParts } from "./parts.ts";

/** What must not change meanwhile: its upkeep waits, uploads go on. */
export type BackupParts = Pick<UpkeepParts, "contents" | "between" | "clock" | "onStep">;

export interface BackupReport {
  /** Files copied now. */
  readonly files: number;
  readonly bytes: number;
  /** Files that an earlier backup had copied already. */
  readonly known: number;
}

/** A backup cannot be made. */
export class BackupError extends Error {
  override name = "BackupError";
  readonly code: "no_space" | "foreign" | "io";
  readonly hint: string;
  constructor(code: BackupError["code"], message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Copied if they are there; the first is what makes a directory a server's. */
const RECORDS = "server.db";
const DATABASES: readonly string[] = [RECORDS, "accounts.db"];
/** The server's keys: clients know a restored server again. */
const TLS = "tls";
/** Says of a directory that it is a backup, and of which folder. */
const MARKER = "backup";

/** A file of the store, as it was in the moment of the copy. */
interface Part {
  /** Below the store's directory. */
  readonly name: string;
  readonly size: number;
}

/**
 * @param store the directory of the store, `.fsync` of a server's folder
 * @param to a directory for the backup: a new one, an empty one, or an earlier backup of the same folder
 * @param folder identity of the folder
 * @throws {BackupError | ContentsError}
 */
export async function backUp(
  parts: BackupParts,
  store: string,
  to: string,
  folder: string,
): Promise<BackupReport> {
  const copy = `${to}/.fsync`;
  try {
    prepare(to, copy, folder);
    const wanted = await parts.between(async () => {
      await parts.contents.sync();
      for (const name of DATABASES) {
        if (isThere(`${store}/${name}`)) await copyDatabase(`${store}/${name}`, `${copy}/${name}.new`);
      }
      return listParts(parts);
    });
    noteStep(parts, "records aside");
    const report = await copyParts(parts, wanted, store, copy);
    copyKeys(`${store}/${TLS}`, `${copy}/${TLS}`);
    noteStep(parts, "contents there");
    for (const name of [...DATABASES].reverse()) if (isThere(`${copy}/${name}.new`)) place(`${copy}/${name}`);
    syncDir(copy);
    noteStep(parts, "records there");
    removeOthers(copy, new Set(wanted.map(({ name }) => name)));
    return report;
  } catch (error) {
    throw explained(error, to);
  }
}

function prepare(to: string, copy: string, folder: string): void {
  makePrivateDir(copy);
  const marker = `${copy}/${MARKER}`;
  const known = readOrNull(marker);
  if (known === null) {
    if ([...Deno.readDirSync(to)].length > 1 || [...Deno.readDirSync(copy)].length > 0) {
      throw new BackupError(
        "foreign",
        `Cannot back up to "${to}": something else is there`,
        "name a new directory, an empty one, or that of an earlier backup",
      );
    }
    Deno.writeTextFileSync(marker, `${folder}\n`, { mode: 0o600 });
  } else if (known.trim() !== folder) {
    throw new BackupError("foreign", `Cannot back up to "${to}": it is the backup of another folder`);
  }
  for (const name of ["packs", "large"]) makePrivateDir(`${copy}/${name}`);
  syncDir(copy);
}

/** Packs only grow, and what the records name of them is within their size of this moment. */
function listParts({ contents }: BackupParts): Part[] {
  const packs = contents.packs().map(({ number, size }) => ({ name: contents.packName(number), size }));
  const large = [...contents.largeFiles()].map(({ id, size }) => ({ name: contents.largeName(id), size }));
  return [...packs, ...large];
}

async function copyParts(
  { clock }: BackupParts,
  wanted: readonly Part[],
  store: string,
  copy: string,
): Promise<BackupReport> {
  let [files, bytes, known] = [0, 0, 0];
  for (const { name, size } of wanted) {
    if (Deno.lstatSync(`${store}/${name}`).size >= size && sizeOf(`${copy}/${name}`) === size) {
      known++;
      continue;
    }
    await copyFile(`${store}/${name}`, `${copy}/${name}`, size);
    files++;
    bytes += size;
    await clock.yield();
  }
  for (const dir of ["packs", "large"]) syncDir(`${copy}/${dir}`);
  return { files, bytes, known };
}

/** The first `size` bytes of `from`, durable before they have the name `to`. */
async function copyFile(from: string, to: string, size: number): Promise<void> {
  await Deno.copyFile(from, `${to}.new`);
  {
    using file = await Deno.open(`${to}.new`, { write: true });
    await file.truncate(size);
    await file.sync();
  }
  Deno.chmodSync(`${to}.new`, 0o600);
  Deno.renameSync(`${to}.new`, to);
}

function copyKeys(from: string, to: string): void {
  if (!isThere(from) || isThere(to)) return;
  makePrivateDir(`${to}.new`);
  for (const { name } of Deno.readDirSync(from)) {
    Deno.copyFileSync(`${from}/${name}`, `${to}.new/${name}`);
    using file = Deno.openSync(`${to}.new/${name}`);
    file.syncSync();
  }
  Deno.renameSync(`${to}.new`, to);
}

function place(name: string): void {
  {
    using file = Deno.openSync(`${name}.new`);
    file.syncSync();
  }
  // Side files of a database that a server was started on would be taken for those of the new one.
  for (const suffix of ["-wal", "-shm"]) removeIfThere(name + suffix);
  Deno.renameSync(`${name}.new`, name);
}

/** What no record names any more: packs that were rewritten, contents that were pruned, what an interrupted copy left. */
function removeOthers(copy: string, wanted: ReadonlySet<string>): void {
  for (const dir of ["packs", "large"]) {
    for (const { name } of Deno.readDirSync(`${copy}/${dir}`)) {
      if (!wanted.has(`${dir}/${name}`)) Deno.removeSync(`${copy}/${dir}/${name}`);
    }
  }
}

function isThere(path: string): boolean {
  return sizeOf(path) !== null;
}

function sizeOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function readOrNull(path: string): string | null {
  return isThere(path) ? Deno.readTextFileSync(path) : null;
}

function removeIfThere(path: string): void {
  if (isThere(path)) Deno.removeSync(path);
}

function explained(error: unknown, to: string): unknown {
  if (!(error instanceof Error) || error instanceof BackupError || "hint" in error) return error;
  const text = error.message;
  const full = text.includes("os error 28") || text.includes("os error 122") || text.includes("disk is full");
  if (full) return new BackupError("no_space", `Cannot back up to "${to}": no space left on the device`);
  const system = text.includes("os error") || error.name === "DatabaseError";
  return system ? new BackupError("io", `Cannot back up to "${to}": ${text}`) : error;
}
