/** Where a test can put something of its own between the production code and the world: how faults are planted. */
import type { LookRequest } from "../../client/look.ts";
import type { State } from "../../client/state.ts";
import type { Folder } from "../../server/folder.ts";
import type { Disk } from "../../system/disk.ts";

export interface Ports {
  readonly disk: (disk: Disk) => Disk;
  readonly serverDisk: (disk: Disk) => Disk;
  readonly state: (state: State) => State;
  readonly folder: (folder: Folder) => Folder;
  /** A hint of the watcher on its way to the engine; `null` loses it. */
  readonly hint: (request: LookRequest) => LookRequest | null;
}

export const PLAIN_PORTS: Ports = {
  disk: (disk) => disk,
  serverDisk: (disk) => disk,
  state: (state) => state,
  folder: (folder) => folder,
  hint: (request) => request,
};
