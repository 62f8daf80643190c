import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { RUN_FLAGS } from "../scripts/run_flags.ts";
import { systemPrograms } from "./programs.ts";

const MODULE = new URL("./programs.ts", import.meta.url).href;

/** Whether this machine has the program at its usual place. */
function has(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("a program gets arguments and a small environment, and answers", {
  ignore: !has("/usr/bin/systemctl"),
}, async () => {
  const answer = await systemPrograms.run("systemctl", ["--version"]);
  assertEquals(answer?.success, true);
  assertMatch(answer?.stdout ?? "", /^systemd \d+/);
  const wrong = await systemPrograms.run("systemctl", ["frobnicate"], { stdin: "unread" });
  assertEquals(wrong?.success, false);
  assertStringIncludes(wrong?.stderr ?? "", "Unknown command verb frobnicate");
});

Deno.test("with the program's permissions these programs start, and no others", {
  ignore: !has("/usr/bin/systemctl"),
}, async () => {
  const script = `import { systemPrograms } from ${JSON.stringify(MODULE)};
    const answer = await systemPrograms.run("systemctl", ["--version"]);
    const other = (() => {
      try { new Deno.Command("/usr/bin/true").outputSync(); return "started"; } catch (error) { return error.name; }
    })();
    console.log(JSON.stringify([answer?.success, other]));`;
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(file, script);
    const run = new Deno.Command(Deno.execPath(), { args: ["run", "--no-check", ...RUN_FLAGS, file] });
    const { stdout, stderr } = await run.output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(JSON.parse(text || "null"), [true, "NotCapable"], new TextDecoder().decode(stderr));
  } finally {
    Deno.removeSync(file);
  }
});
