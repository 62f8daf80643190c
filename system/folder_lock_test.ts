import { assert, assertEquals, assertThrows } from "@std/assert";
import { isLocked, lockFolder } from "./folder_lock.ts";

function inTempDir(test: (root: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const root = Deno.makeTempDirSync();
    try {
      await test(root);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  };
}

Deno.test(
  "the second taker of a folder learns who holds it, and gets it after the release",
  inTempDir((root) => {
    const first = lockFolder(root, "watch");
    assert(isLocked(first));
    assertEquals(lockFolder(root, "sync-all"), { heldBy: "watch", pid: Deno.pid });
    first.release();
    first.release();
    const second = lockFolder(root, "sync-all");
    assert(isLocked(second));
    assertEquals(lockFolder(root, "watch"), { heldBy: "sync-all", pid: Deno.pid });
    second.release();
  }),
);

Deno.test(
  "a text left behind by a killed holder means nothing",
  inTempDir((root) => {
    Deno.mkdirSync(`${root}/.fsync`);
    Deno.writeTextFileSync(`${root}/.fsync/lock`, `watch ${Deno.pid}\n`);
    const lock = lockFolder(root, "sync-all");
    assert(isLocked(lock));
    lock.release();
  }),
);

Deno.test(
  "a killed holder lets go",
  inTempDir(async (root) => {
    const script = `import { lockFolder } from ${JSON.stringify(import.meta.resolve("./folder_lock.ts"))};
      const lock = lockFolder(${JSON.stringify(root)}, "watch");
      Deno.stdout.writeSync(new TextEncoder().encode("ready"));
      setInterval(() => lock, 1000);`;
    const path = `${root}/holder.ts`;
    Deno.writeTextFileSync(path, script);
    const config = new URL("../deno.json", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--config", config, path],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    assertEquals(lockFolder(root, "sync-all"), { heldBy: "watch", pid: child.pid });
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    const lock = lockFolder(root, "sync-all");
    assert(isLocked(lock));
    lock.release();
  }),
);

Deno.test(
  "a missing folder is not created",
  inTempDir((root) => {
    assertThrows(() => lockFolder(`${root}/none`, "watch"), Deno.errors.NotFound);
  }),
);
