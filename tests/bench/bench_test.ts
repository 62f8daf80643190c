import { assert, assertEquals } from "@std/assert";
import type { Comparison } from "./compare.ts";
import { hasRsync } from "./rsync_rig.ts";

const SCRIPT = new URL("../../scripts/bench.ts", import.meta.url).pathname;
const WORKLOADS = ["first-sync", "fresh-client", "no-change", "rename", "large-up", "large-down", "insert"];

Deno.test("the benchmark measures every workload", async () => {
  const dir = Deno.makeTempDirSync();
  try {
    const { code, stderr } = await bench("--small", "--json", `${dir}/results.json`, "--dir", dir);
    assertEquals(code, 0, stderr);
    const results = JSON.parse(Deno.readTextFileSync(`${dir}/results.json`));
    const workloads: Comparison[] = results.workloads;
    assertEquals(workloads.map(({ name }) => name), WORKLOADS);
    const rival = await hasRsync();
    for (const { name, fsync, rsync } of workloads) {
      assertEquals(rsync.length, rival ? fsync.length : 0);
      for (const { seconds, wireBytes, clientPeakBytes, serverPeakBytes } of [...fsync, ...rsync]) {
        assert(seconds > 0 && clientPeakBytes > 0 && serverPeakBytes > 0, name);
        assert(wireBytes !== null && wireBytes > 0, name);
      }
    }
    assertEquals(results.latency.saves, 5);
    assert(results.latency.medianMs > 0);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["results.json"]);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("the benchmark does not take a flag or workload that it does not know", async () => {
  for (const args of [["--fast"], ["--only", "everything"], ["--repeats", "many"]]) {
    const { code, stderr } = await bench(...args);
    assertEquals(code, 2, stderr);
  }
});

async function bench(...args: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", SCRIPT, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}
