/** The record of an installation: what it made, so that it can be renewed and taken away again, and nothing else. */
import { dirname } from "@std/path";
import { ensureDirSync } from "@std/fs";
import { SetupError } from "../_exit.ts";
import type { ServiceKind } from "./units.ts";

/** Something that runs by itself on a folder. */
export interface Service {
  readonly kind: ServiceKind | "cron";
  /** Absolute. */
  readonly dir: string;
  /** For a service of the system: whose it is. */
  readonly owner: Owner | null;
}

export interface Owner {
  readonly user: string;
  readonly home: string;
}

/** Something that was made. */
export interface Made {
  readonly what: string;
  /** As it was made; if it differs now, somebody has changed it. */
  readonly print: string;
  readonly service: string | null;
}

export interface Installed {
  /** By path. */
  readonly things: ReadonlyMap<string, Made>;
  /** Directories that were made for them. */
  readonly dirs: readonly string[];
  readonly services: readonly Service[];
}

export const NOTHING_INSTALLED: Installed = { things: new Map(), dirs: [], services: [] };

/** Raised when a change would mislead an older program. */
const FORMAT = 1;

/** @throws {SetupError} if the record is not as it was written */
export function readRecord(path: string): Installed {
  const text = readOrNull(path);
  if (text === null) return NOTHING_INSTALLED;
  try {
    const raw = JSON.parse(text);
    if (raw.format !== FORMAT) throw new Error(`its format is ${raw.format}`);
    const things = new Map<string, Made>(
      raw.things.map(({ path, ...made }: Made & { path: string }) => [path, made]),
    );
    if (![...things.values()].every(({ print }) => typeof print === "string")) {
      throw new Error("a field is missing");
    }
    return { things, dirs: [...raw.dirs], services: [...raw.services] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SetupError(
      "state",
      `Cannot read the record of what is installed, "${path}": ${reason}`,
      "remove it; then fsync install --force makes a new one",
    );
  }
}

/** Writes the record whole or not at all. */
export function writeRecord(path: string, { things, dirs, services }: Installed): void {
  ensureDirSync(dirname(path));
  const list = [...things].map(([path, made]) => ({ path, ...made }));
  const text = JSON.stringify({ format: FORMAT, things: list, dirs, services }, null, 2) + "\n";
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  Deno.writeTextFileSync(temporary, text);
  Deno.renameSync(temporary, path);
}

function readOrNull(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}
