/** Lines in the table of cron jobs of a user. A comment before each says whose it is, and that is how it is found. */
import type { Programs } from "../../system/programs.ts";
import { SetupError } from "../_exit.ts";

export interface CronJob {
  /** The program, absolute. */
  readonly executable: string;
  /** The folder, absolute. */
  readonly dir: string;
}

/** The line that syncs a folder every ten minutes. */
export function cronLine({ executable, dir }: CronJob): string {
  return `*/10 * * * * ${quote(executable)} sync-all ${quote(dir)}`;
}

/** `table` with the job in it; a line that is there stays as somebody may have changed it. */
export function addJob(table: string, job: CronJob): string {
  if (markerAt(table, job.dir) !== null) return table;
  const before = table === "" || table.endsWith("\n") ? table : `${table}\n`;
  return `${before}${marker(job.dir)}\n${cronLine(job)}\n`;
}

/** `table` without the job of `dir`. */
export function dropJob(table: string, dir: string): string {
  const lines = table.split("\n");
  const at = markerAt(table, dir);
  if (at === null) return table;
  // The line may have been taken out by hand, and another one follow.
  const count = lines[at + 1]?.includes(` sync-all ${quote(dir)}`) ? 2 : 1;
  lines.splice(at, count);
  return lines.join("\n");
}

/** Whether a path can stand in the table at all. */
export function fitsCron(path: string): boolean {
  return !/[\n\r\0]/.test(path);
}

/** The table of `user`, `null` for one's own. @throws {SetupError} if there is no cron, or it refuses */
export async function readCrontab(programs: Programs, user: string | null): Promise<string> {
  const answer = await programs.run("crontab", [...whose(user), "-l"]);
  if (answer === null) throw noCron();
  if (answer.success) return answer.stdout;
  if (/^no crontab for/m.test(answer.stderr)) return "";
  throw refused("read", answer.stderr);
}

/** Replaces the table of `user`. @throws {SetupError} */
export async function writeCrontab(programs: Programs, user: string | null, table: string): Promise<void> {
  const args = table === "" ? ["-r"] : ["-"];
  const answer = await programs.run("crontab", [...whose(user), ...args], { stdin: table });
  if (answer === null) throw noCron();
  if (!answer.success) throw refused("change", answer.stderr);
}

function markerAt(table: string, dir: string): number | null {
  const at = table.split("\n").indexOf(marker(dir));
  return at < 0 ? null : at;
}

function marker(dir: string): string {
  return `# fsync sync-all ${dir} (by fsync install --cron)`;
}

/** For the shell; and cron takes a bare % for the end of the command. */
function quote(text: string): string {
  const quoted = /^[\w/.:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return quoted.replaceAll("%", "\\%");
}

function whose(user: string | null): string[] {
  return user === null ? [] : ["-u", user];
}

function noCron(): SetupError {
  return new SetupError(
    "failed",
    "Cannot change the table of cron: there is no crontab command here",
    "install cron, or use --timer",
  );
}

function refused(verb: string, stderr: string): SetupError {
  return new SetupError("failed", `Cannot ${verb} the table of cron: ${stderr.trim().split("\n")[0]}`);
}
