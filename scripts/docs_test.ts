import { assertEquals } from "@std/assert";
import { CLI_REFERENCE, cliReference } from "./docs.ts";

Deno.test("docs/cli.md says what the commands say", async () => {
  const written = Deno.readTextFileSync(CLI_REFERENCE);
  assertEquals(written, await cliReference(), "It is out of date: run deno task docs");
});
