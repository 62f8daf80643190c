import { existsSync } from "@std/fs";
import { resolve } from "@std/path";
import { type Programs, systemPrograms } from "../system/programs.ts";
import { catalogue } from "./_catalogue.ts";
import type { Command, Context } from "./_command.ts";
import { addJob, cronLine, readCrontab, writeCrontab } from "./_install/crontab.ts";
import { EXIT, type Outcome, SetupError } from "./_exit.ts";
import { carryOut, changes } from "./_install/carry.ts";
import { adviceAfter, quoted } from "./_install/advice.ts";
import type { Places } from "./_install/places.ts";
import { type FileStep, planFiles } from "./_install/plan.ts";
import {
  type Installed,
  NOTHING_INSTALLED,
  readRecord,
  type Service,
  writeRecord,
} from "./_install/record.ts";
import { printSteps, stepRow } from "./_install/report.ts";
import { placesFor, SCOPE_FLAGS } from "./_install/scope.ts";
import { SERVICE_FLAGS, servicesToInstall } from "./_install/services.ts";
import { baseThings, PROGRAM, serviceId, serviceThings } from "./_install/things.ts";
import { executablePath } from "./_software.ts";
import { findSystemctl, hasSystemd, type Systemctl } from "./_install/systemctl.ts";
import { fitsUnit, instanceName } from "./_install/units.ts";

export const install: Command = {
  name: "install",
  summary: "put the program, completions, manual and services in place",
  usage: "[--user|--system] [--watch DIR] [--serve DIR] [--dry-run]",
  about: [
    "Copies the program to ~/.local/bin (or /usr/local/bin), with completions for bash, zsh and fish, manual pages and systemd units. What is in place already is left alone; a newer program replaces the older one, and services that run are started anew.",
    "With --watch, --serve, --timer or --cron something is started by itself from then on; each may be used again for another folder. What somebody has changed since is not replaced: the new file lies beside it, ending in .new.",
  ],
  flags: [
    ...SCOPE_FLAGS,
    ...SERVICE_FLAGS,
    { name: "as", value: "USER", help: "with --system: whose service it is (default: the folder's owner)" },
    { name: "from", value: "FILE", help: "the program to install, if not this one" },
    { name: "destdir", value: "DIR", help: "for packages: files only, as if DIR were /" },
    { name: "force", help: "replace also what was changed" },
    { name: "dry-run", help: "only say what would be done" },
  ],
  example: "fsync install --watch ~/docs",
  words: { min: 0, max: 0 },
  run: (context) => runInstall(context, systemPrograms),
};

/** All that is to be done. */
interface Plan {
  readonly places: Places;
  readonly installed: Installed;
  readonly services: readonly Service[];
  /** Those that the flags name. */
  readonly asked: readonly Service[];
  readonly steps: readonly FileStep[];
  readonly jobs: readonly CronEdit[];
}

/** A table of cron that changes. */
interface CronEdit {
  readonly user: string | null;
  readonly line: string;
  readonly table: string;
}

/** A service that was set up and does not start. */
interface Trouble {
  readonly service: Service;
  readonly unit: string;
  readonly problem: string;
}

/** @param programs those of the system */
export async function runInstall(context: Context, programs: Programs): Promise<number> {
  const plan = await makePlan(context, programs);
  const dryRun = context.on("dry-run");
  const manager = findSystemctl(plan.places, programs);
  const trouble = dryRun ? [] : await carryOutPlan(plan, programs, manager);
  tell(context, plan);
  for (const { unit, problem } of trouble) {
    const hint = `${manager?.name} status ${quoted(unit)}`;
    context.output.error(`Cannot start ${unit}: ${problem}`, hint);
  }
  const working = plan.asked.filter((service) => !trouble.some((one) => one.service === service));
  const advice = dryRun ? [] : adviceAfter({ ...plan, asked: working, manager });
  for (const line of advice) context.output.info(line);
  const result: Outcome = trouble.length === 0 ? "ok" : "failed";
  if (context.output.json) {
    const { steps, jobs } = plan;
    const cron = jobs.map(({ user, line }) => ({ user, line }));
    const failed = trouble.map(({ unit, problem }) => ({ unit, problem }));
    context.output.document({ result, dryRun, steps: steps.map(stepRow), cron, failed });
  }
  return EXIT[result];
}

async function makePlan(context: Context, programs: Programs): Promise<Plan> {
  const standard = placesFor(context);
  const source = programFile(context);
  const installed = standard.destDir === "" ? readRecord(standard.record) : NOTHING_INSTALLED;
  const places = context.value("bin-dir") === undefined ? asBefore(standard, installed) : standard;
  const asked = servicesToInstall(context, places);
  const units = places.destDir !== "" || hasSystemd();
  if (!units) expectNoUnits(asked);
  if (units && !fitsUnit(places.executable)) throw unfitPath(places.executable);
  const kept = installed.services.filter((one) =>
    !asked.some((other) => serviceId(other) === serviceId(one))
  );
  const services = [...kept, ...asked];
  const wanted = [
    ...baseThings(places, source, await catalogue(), { units }),
    ...(units ? services.flatMap((service) => serviceThings(places, service)) : []),
  ];
  const force = context.on("force");
  const steps = planFiles(wanted, installed.things, { force, inScope: () => true });
  expectOurProgram(steps, installed);
  return { places, installed, services, asked, steps, jobs: await cronEdits(places, asked, programs) };
}

/** With the program where it was put the last time. */
function asBefore(places: Places, { things }: Installed): Places {
  const [executable] = [...things].find(([, { what }]) => what === PROGRAM) ?? [places.executable];
  return { ...places, executable };
}

/** The file to install. @throws {SetupError} if this program is none */
function programFile(context: Context): string {
  const from = context.value("from");
  const file = from === undefined ? executablePath() : resolve(from);
  if (file === null) {
    throw new SetupError(
      "failed",
      "Cannot install fsync: it runs from its sources, and only one file can be installed",
      "make that file with: deno task compile; it installs itself, or name it with --from FILE",
    );
  }
  if (existsSync(file, { isFile: true })) return Deno.realPathSync(file);
  throw new SetupError("failed", `Cannot install "${file}": there is no such file`);
}

function expectNoUnits(asked: readonly Service[]): void {
  const service = asked.find(({ kind }) => kind !== "cron");
  if (service === undefined) return;
  throw new SetupError(
    "failed",
    `Cannot start fsync ${service.kind} "${service.dir}" by itself: this machine has no systemd`,
    "use --cron DIR, or have the command started by what this machine has instead",
  );
}

function unfitPath(path: string): SetupError {
  return new SetupError(
    "failed",
    `Cannot install "${path}": systemd starts no program with a quote or backslash in its path`,
    "choose another place with --bin-dir DIR",
  );
}

/** Another program of this name may lie there. */
function expectOurProgram(steps: readonly FileStep[], { things }: Installed): void {
  const step = steps.find((step) => "thing" in step && step.thing.content.kind === "program");
  if (step === undefined || !("thing" in step) || step.path === step.thing.path) return;
  if (things.has(step.thing.path)) return;
  throw new SetupError(
    "failed",
    `Cannot install "${step.thing.path}": there is another file, which fsync install has not put there`,
    "--force replaces it",
  );
}

async function cronEdits(places: Places, asked: readonly Service[], programs: Programs): Promise<CronEdit[]> {
  const edits: CronEdit[] = [];
  for (const { kind, dir, owner } of asked) {
    if (kind !== "cron") continue;
    const user = owner?.user ?? null;
    const job = { executable: places.executable, dir };
    const before = await readCrontab(programs, user);
    const table = addJob(before, job);
    if (table !== before) edits.push({ user, line: cronLine(job), table });
  }
  return edits;
}

async function carryOutPlan(plan: Plan, programs: Programs, manager: Systemctl | null): Promise<Trouble[]> {
  const { places, installed, services, asked, steps, jobs } = plan;
  const save = (now: Installed) => {
    if (places.destDir === "") writeRecord(places.record, now);
  };
  carryOut(steps, installed, services, save);
  for (const { user, table } of jobs) await writeCrontab(programs, user, table);
  if (manager === null) return [];
  const changed = steps.filter((step) => "thing" in step && changes(step));
  if (changed.length > 0) await manager.reload();
  // A program or unit that is new takes effect in what runs already.
  if (changed.some(({ action }) => action === "replace")) await manager.renew();
  const trouble: Trouble[] = [];
  for (const service of asked) {
    if (service.kind === "cron") continue;
    const unit = instanceName(service.kind, service.dir);
    const problem = await manager.start(unit);
    if (problem !== null) trouble.push({ service, unit, problem });
  }
  return trouble;
}

function tell(context: Context, plan: Plan): void {
  const { output } = context;
  const { steps, jobs } = plan;
  const dryRun = context.on("dry-run");
  printSteps(output, steps, dryRun || output.verbose);
  for (const { line } of jobs) output.info(`${"cron".padEnd(8)} ${line}`);
  if (!steps.some(changes) && jobs.length === 0) output.info("Nothing to do: all is in place.");
  else if (dryRun) output.info("Nothing of that was done.");
}
