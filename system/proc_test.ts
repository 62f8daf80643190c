import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { PERMISSIONS } from "../scripts/run_flags.ts";
import { readProcLinks, readProcText } from "./proc.ts";

Deno.test("a file below /proc is read as a whole, and one that is not there is null", () => {
  assertMatch(readProcText("/proc/self/status")!, /^Name:.*\n[^]*\nPid:\t\d+\n/);
  assertEquals(readProcText("/proc/self/nothing"), null);
  const maps = readProcText("/proc/self/maps")!;
  assert(maps.endsWith("\n"), "cut off");
});

Deno.test("the descriptors of this process are listed with what they stand for", () => {
  const dir = Deno.makeTempDirSync();
  const file = Deno.openSync(`${dir}/open`, { write: true, create: true });
  try {
    assert([...readProcLinks("/proc/self/fd").values()].includes(`${Deno.realPathSync(dir)}/open`));
    assertEquals(readProcLinks("/proc/self/nothing").size, 0);
  } finally {
    file.close();
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("both work with the permissions that the program has", async () => {
  const module = fromFileUrl(new URL("./proc.ts", import.meta.url));
  const script = `import { readProcLinks, readProcText } from ${JSON.stringify(module)};
    console.log(readProcText("/proc/self/status").length > 100, readProcLinks("/proc/self/fd").size > 2);`;
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dir}/script.ts`, script);
    const config = fromFileUrl(new URL("../deno.json", import.meta.url));
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...PERMISSIONS, "--config", config, `${dir}/script.ts`],
    }).output();
    const decoder = new TextDecoder();
    assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["true true\n", ""]);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
