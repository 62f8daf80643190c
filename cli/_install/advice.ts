/** What a person may want to know or do after an installation. */
import { existsSync } from "@std/fs";
import { dirname } from "@std/path";
import { displayPath } from "../../core/path.ts";
import { home } from "../../system/state_dirs.ts";
import { cronLine } from "./crontab.ts";
import type { Places } from "./places.ts";
import type { Service } from "./record.ts";
import { hasSystemd, type Systemctl } from "./systemctl.ts";
import { instanceName } from "./units.ts";
import { userName } from "../_user.ts";

export interface Done {
  readonly places: Places;
  readonly services: readonly Service[];
  /** Those that the flags named. */
  readonly asked: readonly Service[];
  /** `null` if no service manager runs. */
  readonly manager: Pick<Systemctl, "name"> | null;
}

/** Lines to print, each with a command to paste where there is one. */
export function adviceAfter({ places, services, asked, manager }: Done): string[] {
  if (places.destDir !== "") return [];
  return [
    ...asked.flatMap((service) => aboutService(places, manager, service)),
    ...aboutPath(places),
    ...aboutZsh(places),
    ...aboutNothing(places, services),
  ];
}

function aboutService(places: Places, manager: Done["manager"], { kind, dir }: Service): string[] {
  if (kind === "cron") return [];
  const unit = instanceName(kind, dir);
  const folder = displayPath(dir);
  const since = places.system ? "from each boot on" : "from each login on";
  const what = { server: "Serves", watch: "Watches", "sync-all": "Syncs" }[kind];
  if (manager === null) return [`${what} ${folder} ${since}; no service manager runs at the moment.`];
  const lines = [`${what} ${folder}, now and ${since}: ${manager.name} status ${quoted(unit)}`];
  if (places.system || existsSync(`/var/lib/systemd/linger/${userName()}`)) return lines;
  return [...lines, `Without anybody logged in, too: sudo loginctl enable-linger ${userName()}`];
}

function aboutPath(places: Places): string[] {
  const dir = dirname(places.executable);
  const path = Deno.env.get("PATH") ?? "";
  if (path.split(":").includes(dir)) return [];
  return [`${displayPath(dir)} is not in PATH yet. Log in again, or: export PATH=${quoted(dir)}:$PATH`];
}

/** zsh looks at no directory of the user by itself. */
function aboutZsh(places: Places): string[] {
  const rc = `${home()}/.zshrc`;
  const dir = dirname(places.completions.zsh);
  if (places.system || !existsSync(rc) || Deno.readTextFileSync(rc).includes(dir)) return [];
  return [`For completion in zsh, put this before compinit in ~/.zshrc: fpath=(${quoted(dir)} $fpath)`];
}

/** The next step of somebody who has only installed. */
function aboutNothing(places: Places, services: readonly Service[]): string[] {
  if (services.length > 0) return [];
  const line = cronLine({ executable: places.executable, dir: "/path/to/folder" });
  if (!hasSystemd()) {
    return [`Keep a folder in sync: fsync watch DIR. Or now and then, by cron (crontab -e): ${line}`];
  }
  return [
    "Keep a folder in sync from each login on: fsync install --watch DIR",
    `Or now and then, by cron (crontab -e): ${line}`,
  ];
}

/** For pasting into a shell. */
export function quoted(text: string): string {
  return /^[\w/.:@%+,=~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
