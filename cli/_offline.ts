/** A server's folder opened by a command while no server runs: the same stores, the same rules, no listener. */
import type { Engine } from "../client/engine.ts";
import { Rights } from "../core/access.ts";
import { Folder } from "../server/folder.ts";
import { FolderHistory, OWNER_SETTING } from "../server/history/folder_history.ts";
import { systemClock } from "../system/clock.ts";
import { isLocked, lockFolder } from "../system/folder_lock.ts";
import { systemRandom } from "../system/random.ts";
import { changesOf } from "./_commit_log.ts";
import { Journal } from "./_journal.ts";
import { type Output, silent } from "./_output.ts";
import { FolderBusy } from "./_replica.ts";
import { ownEngine } from "./_served_folder.ts";
import { openStores } from "./_stores.ts";
import { ownerName } from "./_user.ts";

export interface OfflineFolder {
  readonly history: FolderHistory;
  readonly user: string;
  readonly device: string;
  /** Brings the plain tree and the folder together: what was changed there while no server ran, what we change here. */
  settle(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** @throws {FolderBusy | RecordsError | ContentsError | StateError | DiskError} */
export function openOffline(root: string, output: Output): OfflineFolder {
  const lock = lockFolder(root, "command");
  if (!isLocked(lock)) throw new FolderBusy(root, lock.heldBy);
  const opened: (() => void)[] = [() => lock.release()];
  const closeAll = () => {
    for (const close of opened.reverse()) close();
  };
  try {
    const stores = openStores(root);
    opened.push(() => stores.close());
    const { records, contents, disk, state } = stores;
    const journal = new Journal(`${root}/.fsync`, silent(output));
    opened.push(() => journal.close());
    const onCommit = (commit: Parameters<typeof changesOf>[0]) => journal.writeAll(changesOf(commit));
    const folder = new Folder({ records, contents, clock: systemClock, onCommit });
    const engine: Engine = ownEngine(
      { root, onEvent: () => {}, onLooked: () => {}, onDamaged: () => {} },
      folder,
      disk,
      state,
    );
    const [user, device] = [records.setting(OWNER_SETTING) ?? ownerName(), Deno.hostname()];
    if (records.setting(OWNER_SETTING) === null) records.setSetting(OWNER_SETTING, user);
    const actor = { user, device, replica: systemRandom.bytes(16).toHex(), clockOffset: 0 };
    return {
      history: new FolderHistory({
        folder,
        caller: { actor, rights: () => Rights.ALL },
        clock: systemClock,
      }),
      user,
      device,
      settle: async (signal) => void await engine.pass(signal),
      close: async () => {
        await folder.idle();
        closeAll();
      },
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}
