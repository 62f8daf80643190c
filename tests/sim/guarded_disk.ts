/** Invariant I4, checked at the moment: what sync replaces or removes, the server has recorded before. */
import type { SyncPath } from "../../core/path.ts";
import type { Checked, Disk, Staged, Stat } from "../../system/disk.ts";
import type { MemDisk } from "../fakes/mem_disk.ts";
import { contentIdOf } from "./contents.ts";
import type { Ledger } from "./ledger.ts";

export function guardedDisk(
  disk: Disk,
  memory: MemDisk,
  ledger: Ledger,
  onViolation: (message: string) => void,
): Disk {
  const standing = (path: SyncPath) => {
    try {
      return contentIdOf(memory.user.read(path));
    } catch {
      // Nothing, or no file.
      return null;
    }
  };
  const guarded = <T>(action: string, path: SyncPath, act: () => Checked<T>): Checked<T> => {
    const before = standing(path);
    const outcome = act();
    const after = standing(path);
    if (outcome.done && before !== null && before !== after && !ledger.recorded.has(before)) {
      onViolation(`I4: ${action} "${path}" destroyed ${ledger.describe(before)}, which the server never had`);
    }
    return outcome;
  };
  const methods = {
    place: (staged: Staged, path: SyncPath, expected: Stat | null) =>
      guarded("placing", path, () => disk.place(staged, path, expected)),
    remove: (path: SyncPath, expected: Stat) => guarded("removing", path, () => disk.remove(path, expected)),
  };
  return new Proxy(disk, {
    get: (object, key) => Reflect.get(key in methods ? methods : object, key),
  });
}
