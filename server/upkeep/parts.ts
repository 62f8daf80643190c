/** What every part of the store's upkeep works with, and the one way in which it writes contents. */
import type { ContentId } from "../../core/entry.ts";
import type { Block } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Location } from "../store/contents.ts";
import type { PackContents } from "../store/pack_contents.ts";
import type { Records } from "../store/records.ts";
import type { UpkeepRecords } from "../store/upkeep_records.ts";

export interface UpkeepParts {
  readonly records: Records;
  readonly own: UpkeepRecords;
  readonly contents: PackContents;
  readonly clock: Clock;
  /** Runs `work` while no group of uploads is written (`Folder.between`); at once where nobody uploads. */
  readonly between: <T>(work: () => T | Promise<T>) => Promise<T>;
  /** Called when versions were forgotten, before anybody else has its turn. */
  readonly onForgotten?: () => void;
  /** Called after each step that a crash could follow. Tests let it throw. */
  readonly onStep?: (step: string) => void;
}

/** Contents that go into one block. */
export interface Batch {
  readonly block: Block;
  readonly parts: readonly { readonly id: ContentId; readonly size: number }[];
}

export function noteStep(parts: Pick<UpkeepParts, "onStep">, step: string): void {
  parts.onStep?.(step);
}

/**
 * Appends a block, makes it durable, and then lets `record` name its contents. Nobody else's block can be lost, or taken
 * for durable, with it.
 *
 * @throws {ContentsError | RecordsError}
 */
export async function storeBatch(
  parts: UpkeepParts,
  { block, parts: items }: Batch,
  record: (places: readonly (readonly [ContentId, Location])[]) => void,
): Promise<void> {
  await parts.between(async () => {
    const place = parts.contents.append(block);
    noteStep(parts, "appended");
    await parts.contents.sync();
    noteStep(parts, "durable");
    let innerOffset = 0;
    const places = items.map(({ id, size }): [ContentId, Location] => {
      const location = { ...place, innerOffset, size };
      innerOffset += size;
      return [id, location];
    });
    record(places);
    noteStep(parts, "recorded");
  });
  await parts.clock.yield();
}
