import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import config from "../deno.json" with { type: "json" };
import { ENVIRONMENT, PERMISSIONS, PROGRAMS, RUN_FLAGS, SYSTEM } from "./run_flags.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const ROOMS = ["cli", "client", "core", "protocol", "server", "system", "watcher"];

Deno.test("the task runs the program with the flags that tests, benchmarks and the built file use", () => {
  assert(config.tasks.start.command.startsWith(`deno run ${RUN_FLAGS.join(" ")} main.ts`));
});

Deno.test("each environment variable that the program asks for is among those that it may see", () => {
  const found = matches(/\benv(?:\.get)?\(\s*["'`]([A-Z][A-Z_]*)/g);
  assert(found.some(({ name }) => name === "USER"), "the pattern finds nothing");
  assertEquals(found.filter(({ name }) => !maySee(name)), []);
});

Deno.test("what the program asks Deno about the system is what it may ask", () => {
  const guarded = "gid|hostname|loadavg|networkInterfaces|osRelease|osUptime|systemMemoryInfo|uid|umask";
  const found = matches(new RegExp(`\\bDeno\\.(${guarded})\\(`, "g"));
  assert(found.some(({ name }) => name === "hostname"), "the pattern finds nothing");
  assertEquals(found.filter(({ name }) => !SYSTEM.includes(name)), []);
});

Deno.test("only what install needs is started, in one place, and nothing below /proc is read by Deno", () => {
  assertEquals(matches(/\bDeno\.(Command|kill)\b/g), [{ file: "system/programs.ts", name: "Command" }]);
  const named = matches(/"(\/(?:usr\/)?bin\/\w+)"/g).filter(({ file }) => file === "system/programs.ts");
  assertEquals(named.map(({ name }) => name).toSorted(), PROGRAMS.toSorted());
  const direct = matches(/\bDeno\.(\w+)\([`"']\/(?:dev|proc|sys)\b/g);
  // Its place is where libc cannot be called.
  assertEquals(direct.filter(({ file }) => file !== "system/deno_sys.ts"), []);
});

Deno.test("docs/security.md names each permission", () => {
  const text = Deno.readTextFileSync(`${ROOT}docs/security.md`);
  const section = text.split("\n## ").find((part) => part.startsWith("Permissions of the process"))!;
  const flags = PERMISSIONS.map((flag) => flag.replace(/=.*/, "="));
  const all = [...flags, ...ENVIRONMENT, ...SYSTEM, ...PROGRAMS];
  assertEquals(all.filter((name) => !section.includes(`\`${name}\``)), []);
});

function maySee(name: string): boolean {
  return ENVIRONMENT.some((rule) => rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : name === rule);
}

/** Where the pattern matches in the program, with what its first group caught. */
function matches(pattern: RegExp): { file: string; name: string }[] {
  return sources().flatMap((file) =>
    [...Deno.readTextFileSync(ROOT + file).matchAll(pattern)].map((match) => ({ file, name: match[1]! }))
  );
}

function sources(): string[] {
  const files = ["main.ts"];
  const stack = [...ROOMS];
  for (let dir = stack.pop(); dir !== undefined; dir = stack.pop()) {
    for (const { name, isDirectory } of Deno.readDirSync(ROOT + dir)) {
      if (isDirectory) stack.push(`${dir}/${name}`);
      else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) files.push(`${dir}/${name}`);
    }
  }
  return files;
}
