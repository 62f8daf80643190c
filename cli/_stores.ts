/** Everything that a folder of a server is kept in, opened together: records, contents, the plain tree and its state. */
import { openState } from "../client/sqlite_state.ts";
import type { State } from "../client/state.ts";
import { openContents, type PackContents } from "../server/store/pack_contents.ts";
import type { Records } from "../server/store/records.ts";
import { openRecords } from "../server/store/sqlite_records.ts";
import { UpkeepRecords } from "../server/store/upkeep_records.ts";
import { systemClock } from "../system/clock.ts";
import type { Disk } from "../system/disk.ts";
import { systemRandom } from "../system/random.ts";
import { openDisk } from "../system/real_disk.ts";

export interface Stores {
  readonly records: Records;
  /** The records as the upkeep sees them. */
  readonly own: UpkeepRecords;
  readonly contents: PackContents;
  /** The plain tree. */
  readonly disk: Disk;
  readonly state: State;
  close(): void;
}

/**
 * Opens the stores of the folder at `root`, whose lock the caller holds.
 *
 * @throws {RecordsError | ContentsError | StateError | DiskError}
 */
export function openStores(root: string): Stores {
  const dir = `${root}/.fsync`;
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  const close = () => {
    for (const one of opened.reverse()) one.close();
  };
  try {
    const records = keep(openRecords(`${dir}/server.db`, systemRandom, systemClock));
    const own = keep(new UpkeepRecords(`${dir}/server.db`));
    const contents = keep(openContents(dir, { end: records.packEnd(), index: records }));
    const disk = keep(openDisk(root));
    const state = keep(openState(`${dir}/plain.db`, systemRandom));
    return { records, own, contents, disk, state, close };
  } catch (error) {
    close();
    throw error;
  }
}
