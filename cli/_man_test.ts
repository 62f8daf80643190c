import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { catalogue } from "./_catalogue.ts";
import { EXIT } from "./_exit.ts";
import { type ManualPage, manualPages } from "./_man.ts";

const entries = await catalogue();
const pages = manualPages(entries);

function hasGroff(): boolean {
  try {
    new Deno.Command("groff", { args: ["--version"] }).outputSync();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The page as `man` shows it; fails on any warning. */
async function render({ text }: ManualPage): Promise<string> {
  const args = ["-man", "-Tutf8", "-Kutf8", "-ww", "-rLL=1000n", "-P-cbou"];
  const groff = new Deno.Command("groff", { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = groff.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await groff.output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  // Some makes of groff print a real minus.
  return decoder.decode(stdout).replaceAll("\u2212", "-");
}

Deno.test("every command has a manual page, and fsync itself", () => {
  assertEquals(pages.map(({ file }) => file), ["fsync.1", ...entries.map(({ name }) => `fsync-${name}.1`)]);
});

Deno.test("a manual page says what the help says, and groff has nothing to warn of", {
  ignore: !hasGroff(),
}, async () => {
  for (const [at, { name, command, usage }] of entries.entries()) {
    const text = await render(pages[at + 1]!);
    assertStringIncludes(text, `fsync-${name} - ${command.summary}`);
    assertStringIncludes(text, `fsync ${name} ${command.usage}`.trimEnd());
    for (const line of command.example.split("\n")) assertStringIncludes(text, line);
    const options = text.slice(text.indexOf("\nOPTIONS"), text.indexOf("\nEXAMPLES"));
    assertEquals(options.match(/^ +--/gm)?.length, usage.flags.length, options);
    for (const flag of usage.flags) {
      const words = `--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`;
      assertStringIncludes(options.replaceAll(/\s+/g, " "), ` ${words} ${flag.help}`);
    }
  }
});

Deno.test("the page of fsync names all commands and exit codes", { ignore: !hasGroff() }, async () => {
  const text = await render(pages[0]!);
  for (const { name, command } of entries) {
    assertStringIncludes(text, `fsync-${name}(1)`);
    assertStringIncludes(text, command.summary);
  }
  const status = text.slice(text.indexOf("\nEXIT STATUS"), text.indexOf("\nENVIRONMENT"));
  for (const code of Object.values(EXIT)) {
    assert(new RegExp(`^ +${code} `, "m").test(status), `${code} in ${status}`);
  }
});
