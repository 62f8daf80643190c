/** Carries out the steps of an installation. Each file is put in place by one rename, also under a running program. */
import { dirname } from "@std/path";
import { SetupError } from "../_exit.ts";
import type { FileStep } from "./plan.ts";
import type { Installed, Made, Service } from "./record.ts";
import type { Content } from "./things.ts";

const FILE_MODE = 0o644;
const PROGRAM_MODE = 0o755;
const DIR_MODE = 0o755;

/**
 * Carries out `steps` on files.
 * @param save called with the record before the first and after the last change
 * @throws {SetupError} if a file cannot be written
 */
export function carryOut(
  steps: readonly FileStep[],
  before: Installed,
  services: readonly Service[],
  save: (installed: Installed) => void,
): Installed {
  const dirs = new Set(before.dirs);
  const after: Installed = {
    things: recordOf(steps, before.things),
    dirs: missingDirs(steps, dirs),
    services,
  };
  // First what will be there, so that an interrupted run leaves nothing that nobody knows.
  if (steps.some(changes)) save({ ...after, things: new Map([...after.things, ...before.things]) });
  for (const step of steps) attempt(step);
  const done = { ...after, dirs: removeEmptyDirs(after.dirs, after.things) };
  save(done);
  return done;
}

/** Whether a step touches the disk. */
export function changes({ action }: FileStep): boolean {
  return action === "make" || action === "replace" || action === "beside" || action === "remove";
}

function recordOf(steps: readonly FileStep[], before: ReadonlyMap<string, Made>): Map<string, Made> {
  const things = new Map(before);
  for (const step of steps) {
    if (!("thing" in step)) things.delete(step.path);
    else if (isOurs(step, before)) {
      const { what, service } = step.thing;
      things.set(step.path, { what, print: step.print, service });
    }
  }
  return things;
}

/** A program that runs from its place already was put there by somebody else. */
function isOurs(
  { path, thing }: FileStep & { thing: { content: Content } },
  before: ReadonlyMap<string, Made>,
): boolean {
  return before.has(path) || thing.content.kind !== "program" || thing.content.from !== path;
}

/** The directories that have to be made, and those that were made before; parents first. */
function missingDirs(steps: readonly FileStep[], known: ReadonlySet<string>): string[] {
  const dirs = new Set(known);
  for (const step of steps) {
    if (!("thing" in step)) continue;
    const missing: string[] = [];
    for (let dir = dirname(step.path); !isDirectory(dir) && dir !== dirname(dir); dir = dirname(dir)) {
      missing.unshift(dir);
    }
    for (const dir of missing) dirs.add(dir);
  }
  return [...dirs];
}

function attempt(step: FileStep): void {
  try {
    if (step.action === "remove") Deno.removeSync(step.path);
    else if (changes(step) && "thing" in step) put(step.path, step.thing.content);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const verb = step.action === "remove" ? "remove" : "write";
    const reason = error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : error.message.replace(/ \(os error \d+\).*$/s, "");
    throw new SetupError("failed", `Cannot ${verb} "${step.path}": ${reason}`);
  }
}

function put(path: string, content: Content): void {
  makeDirs(dirname(path));
  // One name, so that what a killed run has left is written over.
  const temporary = `${path}.tmp`;
  removeIfThere(temporary);
  try {
    write(temporary, content);
    Deno.renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw error;
  }
}

function write(path: string, content: Content): void {
  if (content.kind === "link") return Deno.symlinkSync(content.target, path);
  if (content.kind === "text") Deno.writeTextFileSync(path, content.text);
  else Deno.copyFileSync(content.from, path);
  Deno.chmodSync(path, content.kind === "program" ? PROGRAM_MODE : FILE_MODE);
  using file = Deno.openSync(path);
  file.syncSync();
}

/** Whatever the umask says, others have to read what is installed for them. */
function makeDirs(dir: string): void {
  if (isDirectory(dir)) return;
  makeDirs(dirname(dir));
  Deno.mkdirSync(dir);
  Deno.chmodSync(dir, DIR_MODE);
}

/** Removes directories that were made for things which are gone. @returns those that stay */
export function removeEmptyDirs(dirs: readonly string[], things: ReadonlyMap<string, Made>): string[] {
  const needed = (dir: string) => [...things.keys()].some((path) => path.startsWith(`${dir}/`));
  const left = new Set(dirs);
  for (const dir of dirs.toReversed()) {
    if (!needed(dir) && removeIfEmpty(dir)) left.delete(dir);
  }
  return [...left];
}

function removeIfEmpty(dir: string): boolean {
  try {
    Deno.removeSync(dir);
    return true;
  } catch (error) {
    // Something else lies in it: then it is not only ours.
    return error instanceof Deno.errors.NotFound;
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was not there.
  }
}
