/** What an installation consists of: files and links, each with a fingerprint by which it is known again. */
import { createHash } from "node:crypto";
import { dirname } from "@std/path";
import type { Entry } from "../_catalogue.ts";
import { completion, SHELLS } from "../_completion.ts";
import type { Places } from "./places.ts";
import type { Service } from "./record.ts";
import { manualPages } from "../_man.ts";
import { instanceName, ownerDropIn, templateName, unitFiles, wantedBy } from "./units.ts";

export interface Thing {
  readonly path: string;
  /** For people: `program`, `manual page`. */
  readonly what: string;
  readonly content: Content;
  /** The service it belongs to, `null` for what belongs to fsync itself. */
  readonly service: string | null;
}

export type Content =
  | { readonly kind: "text"; readonly text: string }
  /** A copy of a file, with leave to run it. */
  | { readonly kind: "program"; readonly from: string }
  | { readonly kind: "link"; readonly target: string };

/** What the executable is called in lists and in the record. */
export const PROGRAM = "program";

/** What fsync itself consists of. @param source the program's file */
export function baseThings(
  places: Places,
  source: string,
  entries: readonly Entry[],
  options: { readonly units: boolean },
): Thing[] {
  const things: Thing[] = [thing(places.executable, PROGRAM, { kind: "program", from: source })];
  for (const shell of SHELLS) {
    things.push(text(places.completions[shell], `completion for ${shell}`, completion(shell, entries)));
  }
  for (const page of manualPages(entries)) {
    things.push(text(`${places.manual}/${page.file}`, "manual page", page.text));
  }
  if (!options.units) return things;
  for (const unit of unitFiles({ executable: runPath(places), system: places.system })) {
    things.push(text(`${places.units}/${unit.name}`, "systemd unit", unit.text));
  }
  return things;
}

/** What makes a service start by itself; nothing for one that cron runs. */
export function serviceThings(places: Places, service: Service): Thing[] {
  const { kind, dir, owner } = service;
  if (kind === "cron") return [];
  const id = serviceId(service);
  const name = instanceName(kind, dir);
  const wants = `${places.unitLinks}/${wantedBy(kind, places.system)}.wants/${name}`;
  const target = `${places.units}/${templateName(kind)}`;
  const things: Thing[] = [thing(wants, "start-up link", { kind: "link", target }, id)];
  if (owner === null) return things;
  const unit = name.replace(/\.timer$/, ".service");
  things.push(
    text(`${places.unitLinks}/${unit}.d/fsync.conf`, "owner of a service", ownerDropIn(owner), id),
  );
  return things;
}

/** What tells services apart: `watch /home/ann/docs`. */
export function serviceId({ kind, dir }: Pick<Service, "kind" | "dir">): string {
  return `${kind} ${dir}`;
}

/** The fingerprint of what shall be. */
export function wantedPrint(content: Content): string {
  if (content.kind === "link") return linkPrint(content.target);
  return content.kind === "text" ? textPrint(content.text) : filePrint(content.from);
}

/** The fingerprint of what stands at `path`; `null` if nothing does. */
export function foundPrint(path: string): string | null {
  try {
    const { isSymlink, isFile } = Deno.lstatSync(path);
    if (isSymlink) return linkPrint(Deno.readLinkSync(path));
    return isFile ? filePrint(path) : "neither file nor link";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    throw error;
  }
}

function thing(path: string, what: string, content: Content, service: string | null = null): Thing {
  return { path, what, content, service };
}

function text(path: string, what: string, content: string, service: string | null = null): Thing {
  return thing(path, what, { kind: "text", text: content }, service);
}

/** Where the program will be when it runs: without what a package puts before. */
function runPath(places: Places): string {
  const { destDir } = places;
  return places.executable.slice(destDir.length);
}

function linkPrint(target: string): string {
  return `link ${target}`;
}

function textPrint(content: string): string {
  return `sha256 ${createHash("sha256").update(content).digest("hex")}`;
}

/** Programs have a hundred megabytes; they are read in pieces. */
const PIECE_BYTES = 4 * 1024 * 1024;

function filePrint(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(PIECE_BYTES);
  using file = Deno.openSync(path);
  for (let count = file.readSync(buffer); count !== null; count = file.readSync(buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  return `sha256 ${hash.digest("hex")}`;
}

/** The directory of a thing, for lists. */
export function placeOf({ path }: Pick<Thing, "path">): string {
  return dirname(path);
}
