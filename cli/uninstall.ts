import { existsSync } from "@std/fs";
import { dirname } from "@std/path";
import { displayPath } from "../core/path.ts";
import { type Programs, systemPrograms } from "../system/programs.ts";
import { cacheHome, configDir, stateDir } from "../system/state_dirs.ts";
import type { Command, Context } from "./_command.ts";
import { dropJob, readCrontab, writeCrontab } from "./_install/crontab.ts";
import { EXIT } from "./_exit.ts";
import { carryOut, changes, removeEmptyDirs } from "./_install/carry.ts";
import type { Places } from "./_install/places.ts";
import { type FileStep, planFiles } from "./_install/plan.ts";
import { type Installed, readRecord, type Service, writeRecord } from "./_install/record.ts";
import { printSteps, stepRow } from "./_install/report.ts";
import { placesFor, SCOPE_FLAGS } from "./_install/scope.ts";
import { SERVICE_FLAGS, servicesToRemove } from "./_install/services.ts";
import { serviceId } from "./_install/things.ts";
import { findSystemctl } from "./_install/systemctl.ts";
import { instanceName } from "./_install/units.ts";

export const uninstall: Command = {
  name: "uninstall",
  summary: "take away what install made; your files and settings stay",
  usage: "[--user|--system] [--watch DIR] [--serve DIR] [--dry-run]",
  about: [
    "Stops the services and removes the files that fsync install has made, unless they were changed since. Synced folders, the server's folder, settings and credentials stay.",
    "With --watch, --serve, --timer or --cron only that service is stopped and taken away.",
  ],
  flags: [
    ...SCOPE_FLAGS.filter(({ name }) => name !== "bin-dir"),
    ...SERVICE_FLAGS.map(({ name, value, help }) => ({
      name,
      value: value!,
      help: `only stop this: ${help}`,
    })),
    { name: "force", help: "remove also what was changed" },
    { name: "dry-run", help: "only say what would be done" },
  ],
  example: "fsync uninstall --dry-run\nfsync uninstall --watch ~/docs      # the program stays",
  words: { min: 0, max: 0 },
  run: (context) => runUninstall(context, systemPrograms),
};

interface Plan {
  readonly places: Places;
  readonly installed: Installed;
  /** Whether nothing is to stay. */
  readonly all: boolean;
  readonly going: readonly Service[];
  readonly staying: readonly Service[];
  readonly steps: readonly FileStep[];
}

/** @param programs those of the system */
export async function runUninstall(context: Context, programs: Programs): Promise<number> {
  const plan = makePlan(context);
  const { output } = context;
  const dryRun = context.on("dry-run");
  if (!dryRun) await carryOutPlan(plan, programs);
  printSteps(output, plan.steps, dryRun || output.verbose);
  for (const { kind, dir } of plan.going) output.info(`${"stop".padEnd(8)} ${kind} of ${displayPath(dir)}`);
  const nothing = !plan.steps.some(changes) && plan.going.length === 0;
  if (nothing) output.info("Nothing to do: nothing of that is installed.");
  else if (dryRun) output.info("Nothing of that was done.");
  else if (plan.all) { for (const line of whatStays()) output.info(line); }
  if (output.json) output.document({ result: "ok", dryRun, steps: plan.steps.map(stepRow) });
  return EXIT.ok;
}

function makePlan(context: Context): Plan {
  const places = placesFor(context);
  const installed = readRecord(places.record);
  const named = new Set(servicesToRemove(context).map(serviceId));
  const all = named.size === 0;
  const going = installed.services.filter((service) => all || named.has(serviceId(service)));
  const staying = installed.services.filter((service) => !going.includes(service));
  const steps = planFiles([], installed.things, {
    force: context.on("force"),
    inScope: ({ service }) => all || (service !== null && named.has(service)),
  });
  return { places, installed, all, going, staying, steps };
}

async function carryOutPlan(plan: Plan, programs: Programs): Promise<void> {
  const { places, installed, going, staying, steps } = plan;
  const manager = findSystemctl(places, programs);
  for (const { kind, dir } of going) {
    if (kind !== "cron") await manager?.stop(instanceName(kind, dir));
  }
  for (const service of going) if (service.kind === "cron") await dropCronJob(service, programs);
  if (!steps.some(changes) && going.length === 0) return;
  const left = carryOut(steps, installed, staying, (now) => writeRecord(places.record, now));
  if (plan.all) forget(places, left);
  await manager?.reload();
}

async function dropCronJob({ dir, owner }: Service, programs: Programs): Promise<void> {
  const user = owner?.user ?? null;
  const table = await readCrontab(programs, user);
  const without = dropJob(table, dir);
  if (without !== table) await writeCrontab(programs, user, without);
}

/** The record goes last, and the directories that only it had kept. */
function forget(places: Places, left: Installed): void {
  Deno.removeSync(places.record);
  removeEmptyDirs([...left.dirs, dirname(places.record)], new Map());
}

/** What is the user's and not ours to remove. */
function whatStays(): string[] {
  const settings = [...new Set([configDir(), stateDir()])].filter((dir) => existsSync(dir)).map(displayPath);
  const cache = `${cacheHome()}/fsync`;
  return [
    "Synced folders and a server's folder stay as they are.",
    ...(settings.length === 0 ? [] : [`Settings and credentials stay in ${settings.join(" and ")}.`]),
    ...(existsSync(cache)
      ? [`The program had unpacked itself into ${displayPath(cache)}; that can go.`]
      : []),
  ];
}
