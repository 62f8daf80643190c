/** The stores on a file system that is full: refused, said so, nothing half written, and well again with room. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$1"';

async function inNamespace(script: string, ...args: string[]): Promise<Deno.CommandOutput | null> {
  try {
    const command = ["-rm", "sh", "-c", script, "sh", ...args];
    return await new Deno.Command("unshare", { args: command, stdout: "piped", stderr: "piped" }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const probe = Deno.makeTempDirSync();
const canMount = (await inNamespace(MOUNT, probe))?.success === true;
Deno.removeSync(probe);

Deno.test({
  name: "a full disk is said to be full, harms nothing, and is used again when there is room",
  ignore: !canMount,
  async fn() {
    const dir = Deno.makeTempDirSync();
    try {
      const script = fromFileUrl(new URL("./_no_space.ts", import.meta.url));
      const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
      const run = `${MOUNT} && exec "$2" run -A --no-lock --no-check --config "$3" "$4" "$1"`;
      const output = await inNamespace(run, dir, Deno.execPath(), config, script);
      const text = new TextDecoder().decode(output!.stdout);
      assertEquals(output!.success, true, new TextDecoder().decode(output!.stderr));
      assertEquals(JSON.parse(text), {
        small: { code: "no_space", cutBackTo: true, sizes: [1000, 20_000] },
        large: { code: "no_space", resumed: false, good: 400_000 },
        records: { code: "no_space", head: 1, healed: 21 },
        state: { code: "no_space", rows: 1, healed: 20 },
      });
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});
