import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Answer, Programs } from "../../system/programs.ts";
import { addJob, cronLine, dropJob, fitsCron, readCrontab, writeCrontab } from "./crontab.ts";
import { SetupError } from "../_exit.ts";

const DOCS = { executable: "/home/ann/.local/bin/fsync", dir: "/home/ann/docs" };
const OWN = "MAILTO=ann\n0 3 * * * backup\n";
const LINES = "# fsync sync-all /home/ann/docs (by fsync install --cron)\n" +
  "*/10 * * * * /home/ann/.local/bin/fsync sync-all /home/ann/docs\n";

Deno.test("a job is added once, after what is there, and taken out again", () => {
  assertEquals(addJob("", DOCS), LINES);
  assertEquals(addJob(OWN, DOCS), OWN + LINES);
  assertEquals(addJob(OWN.trimEnd(), DOCS), OWN + LINES);
  assertEquals(addJob(OWN + LINES, DOCS), OWN + LINES);
  assertEquals(dropJob(OWN + LINES, DOCS.dir), OWN);
  assertEquals(dropJob(LINES + OWN, DOCS.dir), OWN);
  assertEquals(dropJob(LINES, DOCS.dir), "");
  assertEquals(dropJob(OWN, DOCS.dir), OWN);
});

Deno.test("a job whose line was changed stays as it is, and goes with its comment", () => {
  const rarely = LINES.replace("*/10 * * * *", "0 4 * * 7  nice");
  assertEquals(addJob(rarely, DOCS), rarely);
  assertEquals(dropJob(OWN + rarely, DOCS.dir), OWN);
});

Deno.test("a job whose line was taken out by hand takes no other line with it", () => {
  const [comment] = LINES.split("\n");
  assertEquals(dropJob(`${comment}\n${OWN}`, DOCS.dir), OWN);
});

Deno.test("jobs of two folders do not get in each other's way, though one's name begins with the other's", () => {
  const longer = { ...DOCS, dir: "/home/ann/docs2" };
  const both = addJob(addJob("", DOCS), longer);
  assertEquals(dropJob(both, longer.dir), LINES);
  assertEquals(dropJob(both, DOCS.dir), addJob("", longer));
});

Deno.test("paths reach the shell as they are", () => {
  const cases: [string, string][] = [
    ["/a b", "'/a b'"],
    ["/it's", `'/it'\\''s'`],
    ["/100%", "/100\\%"],
    ["/$HOME `x`", "'/$HOME `x`'"],
    ["/50% off", "'/50\\% off'"],
  ];
  for (const [dir, quoted] of cases) {
    assertEquals(cronLine({ executable: "/bin/fsync", dir }), `*/10 * * * * /bin/fsync sync-all ${quoted}`);
    assertEquals(dropJob(addJob(OWN, { ...DOCS, dir }), dir), OWN);
  }
  assertEquals(fitsCron("/a\nb"), false);
  assert(fitsCron("/a b"));
});

/** A cron whose tables are in memory. */
function fakeCron(answer?: Answer | null): Programs & { readonly tables: Map<string, string> } {
  const tables = new Map<string, string>();
  const run = (_: string, args: readonly string[], stdin = ""): Answer | null => {
    if (answer !== undefined) return answer;
    const [user, verb] = args[0] === "-u" ? [args[1]!, args[2]] : ["me", args[0]];
    const ok = (stdout: string) => ({ success: true, stdout, stderr: "" });
    const none = { success: false, stdout: "", stderr: `no crontab for ${user}\n` };
    if (verb === "-l") return tables.has(user) ? ok(tables.get(user)!) : none;
    if (verb === "-r") return tables.delete(user) ? ok("") : none;
    tables.set(user, stdin);
    return ok("");
  };
  return { tables, run: (name, args, options) => Promise.resolve(run(name, args, options?.stdin)) };
}

Deno.test("a table is read, written, and removed when nothing is left in it", async () => {
  const cron = fakeCron();
  assertEquals(await readCrontab(cron, null), "");
  await writeCrontab(cron, null, LINES);
  await writeCrontab(cron, "ben", OWN);
  assertEquals(await readCrontab(cron, null), LINES);
  assertEquals(await readCrontab(cron, "ben"), OWN);
  await writeCrontab(cron, null, "");
  assertEquals([...cron.tables], [["ben", OWN]]);
});

Deno.test("a cron that is not there or refuses is an error that says so", async () => {
  await assertRejects(
    () => readCrontab(fakeCron(null), null),
    SetupError,
    "there is no crontab command here",
  );
  const refusal = { success: false, stdout: "", stderr: "You (ann) are not allowed to use this program\n" };
  await assertRejects(
    () => readCrontab(fakeCron(refusal), null),
    SetupError,
    "Cannot read the table of cron: You (ann) are not allowed",
  );
  await assertRejects(
    () => writeCrontab(fakeCron(refusal), null, "x\n"),
    SetupError,
    "Cannot change the table",
  );
});
