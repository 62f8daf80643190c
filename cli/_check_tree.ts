/** The tree of a replica, verified against its state; and how a damaged file is made to come anew. */
import { existsSync } from "@std/fs";
import { basename } from "@std/path";
import { openState } from "../client/sqlite_state.ts";
import { type TreeReport, verifyTree } from "../client/verify_tree.ts";
import type { SyncPath } from "../core/path.ts";
import { systemClock } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";
import { makePrivateDir } from "../system/private_file.ts";
import { openDisk } from "../system/real_disk.ts";

export interface TreeRepair {
  /** Files that the next pass brings anew. */
  readonly forgotten: readonly SyncPath[];
  /** Where the damaged bytes lie now. */
  readonly kept: string | null;
}

const NOTHING: TreeReport = { files: 0, bytes: 0, changed: 0, findings: [] };

/**
 * @param missing whether a file that is missing is a finding: where nobody else deletes files, and nobody syncs now
 */
export async function checkTree(root: string, stateName: string, missing: boolean): Promise<TreeReport> {
  const path = `${root}/.fsync/${stateName}`;
  if (!existsSync(path)) return NOTHING;
  const state = openState(path, systemRandom);
  const disk = openDisk(root);
  try {
    const report = await verifyTree(disk, state.load(), systemClock);
    const findings = report.findings.filter(({ what }) => missing || what !== "missing");
    const gone = report.findings.length - findings.length;
    return { ...report, changed: report.changed + gone, findings };
  } finally {
    disk.close();
    state.close();
  }
}

/**
 * Lets the next pass bring these files as if they had never been here. The state forgets them first: a file that is
 * missing while its row is there would be a user's delete. The damaged bytes are put aside, not removed.
 */
export function forgetDamaged(root: string, stateName: string, { findings }: TreeReport): TreeRepair {
  const wrong = findings.filter(({ what }) => what !== "unreadable");
  if (wrong.length === 0) return { forgotten: [], kept: null };
  const state = openState(`${root}/.fsync/${stateName}`, systemRandom);
  try {
    const cursor = Math.min(state.binding().cursor, ...wrong.map(({ revision }) => revision - 1));
    state.write({ gone: wrong.map(({ path }) => path), binding: { cursor } });
  } finally {
    state.close();
  }
  const damaged = wrong.filter(({ what }) => what === "damaged");
  const kept = damaged.length === 0 ? null : `${root}/.fsync/damaged`;
  if (kept !== null) makePrivateDir(kept);
  for (const { path } of damaged) Deno.renameSync(`${root}/${path}`, freeName(`${kept}/${shortName(path)}`));
  return { forgotten: wrong.map(({ path }) => path), kept };
}

/** Short enough for any number to follow. */
function shortName(path: SyncPath): string {
  return basename(path).slice(0, 60);
}

function freeName(path: string): string {
  for (let n = 1;; n++) if (!existsSync(`${path}.${n}`)) return `${path}.${n}`;
}
