/**
 * The declarations against the library, and against wrong use: every `@ts-expect-error` below is itself an error if the
 * line under it would pass the checker.
 */
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { join } from "@std/path";
import { closestString, compareSimilarity } from "@std/text";

const declarations = await Deno.readTextFile(new URL("./std.d.ts", import.meta.url));

for (const [, specifier, body] of declarations.matchAll(/^declare module "([^"]+)" \{\n(.*?)^\}/gms)) {
  Deno.test(`every name declared for ${specifier} exists`, async () => {
    assert(specifier !== undefined && body !== undefined);
    const real: Record<string, unknown> = await import(specifier);
    const names = [...body.matchAll(/^ {2}export (?:function|const|class) (\w+)/gm)].map((match) => match[1]);
    assert(names.length > 0, "No declared name was recognised");
    for (const name of names) assert(name !== undefined && name in real, `${specifier} has no ${name}`);
  });
}

Deno.test("assertions narrow what they checked", () => {
  const maybe = ["a"].at(0);
  assertExists(maybe);
  assertEquals(maybe.length, 1);
  const thrown: unknown = new RangeError("too far");
  assertInstanceOf(thrown, RangeError);
  assertStringIncludes(thrown.message, "far");
  const value: unknown = "x";
  assertStrictEquals(value, "x" as const);
  assertEquals(value.toUpperCase(), "X");
});

Deno.test("a caught error has the class that was asked for", async () => {
  class Coded extends Error {
    constructor(readonly code: number) {
      super(`code ${code}`);
    }
  }
  const raise = (): never => {
    throw new Coded(7);
  };
  assertEquals(assertThrows(raise, Coded, "code").code, 7);
  const rejected = await assertRejects(() => Promise.resolve().then(raise), Coded);
  assertEquals(rejected.code, 7);
});

Deno.test("parsed flags have the types of their declarations", () => {
  const flags = parseArgs(["--port", "1", "--quiet", "--tag=a", "--tag=b", "--no-tls", "12", "--", "-x"], {
    boolean: ["quiet", "tls"],
    string: ["port", "server", "tag", "_"],
    collect: ["tag"],
    negatable: ["tls"],
    default: { tls: true },
    "--": true,
  });
  const typed: {
    port: string | undefined;
    server: string | undefined;
    quiet: boolean;
    tls: boolean;
    tag: string[];
    _: string[];
    "--": string[];
  } = flags;
  assertEquals(typed.port, "1");
  assertEquals(typed.server, undefined);
  assertEquals([typed.quiet, typed.tls], [true, false]);
  assertEquals([typed.tag, typed._, typed["--"]], [["a", "b"], ["12"], ["-x"]]);
  const host: string = parseArgs([], { string: ["host"], default: { host: "0.0.0.0" } }).host;
  assertEquals(host, "0.0.0.0");
});

Deno.test("similar words are found", () => {
  assertEquals(closestString("sinc", ["sync", "watch"]), "sync");
  assertEquals(["watch", "sync"].sort(compareSimilarity("sinc")), ["sync", "watch"]);
});

/** Never called: here only the checker is asked. */
export function wrongUse(flags = parseArgs([], { string: ["port"], boolean: ["quiet"] })): void {
  // @ts-expect-error: two types that cannot be equal
  assertEquals(1, "1");
  // @ts-expect-error: one argument too many
  assertEquals(1, 1, "message", "more");
  // @ts-expect-error: the function returns no promise
  assertRejects(() => 1);
  // @ts-expect-error: not a class of errors
  assertThrows(() => {}, Map);
  // @ts-expect-error: only the first part may be a URL
  join("a", new URL("file:///b"));
  // @ts-expect-error: the flag may be missing
  flags.port.length;
  // @ts-expect-error: a boolean, not text
  flags.quiet.length;
  // @ts-expect-error: an undeclared flag is unknown
  flags.prot.length;
  // @ts-expect-error: no such option
  parseArgs([], { strings: ["port"] });
  // @ts-expect-error: the list of words is missing
  closestString("a");
}
