import { assertEquals } from "@std/assert";
import { ownerNames } from "./_user.ts";

Deno.test("a shared folder's files are named by their owner, one's own and a private folder's are not", () => {
  const root = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${root}/mine`, "");
    Deno.writeTextFileSync(`${root}/theirs`, "");
    const privately = ownerNames(root);
    Deno.chmodSync(root, 0o2770);
    const shared = ownerNames(root);
    const isRoot = Deno.uid() === 0;
    if (isRoot) Deno.chownSync(`${root}/theirs`, 65534, 65534);
    assertEquals(["mine", "theirs", "gone"].map(privately), [null, null, null]);
    assertEquals(["mine", "theirs", "gone"].map(shared), [null, isRoot ? "nobody" : null, null]);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
