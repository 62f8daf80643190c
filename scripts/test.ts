/**
 * What `deno task test` runs: the layer rules, the type checker over everything, then all tests. Each step runs even if
 * one before it failed. The last line is always `N passed, N failed`; a failed step that is no test counts as one
 * failure.
 *
 * An argument that is a path chooses test files, any other argument chooses tests by name.
 */
import { checkLayers, formatViolation } from "./check_layers.ts";
import { readSummary } from "./test_summary.ts";

function layersHold(): boolean {
  const violations = checkLayers(".");
  for (const violation of violations) console.error(formatViolation(violation));
  return violations.length === 0;
}

async function typesHold(): Promise<boolean> {
  // "." and not a list: what nothing imports yet is checked too.
  const check = new Deno.Command(Deno.execPath(), { args: ["check", "--quiet", "."] });
  return (await check.spawn().status).success;
}

async function runTests(args: readonly string[]): Promise<{ passed: number; failed: number }> {
  const test = new Deno.Command(Deno.execPath(), {
    // The types were checked; not twice.
    args: ["test", "--allow-all", "--no-check", ...testArguments(args)],
    env: Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR") ? { FORCE_COLOR: "1" } : {},
    stdout: "piped",
  }).spawn();
  const output = await echo(test.stdout);
  const { success } = await test.status;
  const { passed, failed } = readSummary(output);
  return { passed, failed: success ? failed : Math.max(failed, 1) };
}

function testArguments(args: readonly string[]): string[] {
  const paths = args.filter(exists);
  const names = args.filter((arg) => !exists(arg));
  if (names.length === 0) return paths;
  return ["--filter", `/${names.map((name) => RegExp.escape(name)).join("|")}/`, ...paths];
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Passes the stream on to stdout; returns it as text. */
async function echo(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

if (import.meta.main) {
  const steps = [layersHold(), await typesHold()];
  const tests = await runTests(Deno.args);
  if (tests.passed + tests.failed === 0) console.error("No test was run");
  const failed = tests.failed + steps.filter((holds) => !holds).length;
  console.log(`${tests.passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 && tests.passed > 0 ? 0 : 1);
}
