import type { Clock } from "../system/clock.ts";
import { openInotifySource } from "./inotify_source.ts";
import type { WatchSource } from "./source.ts";
import { openWatchFsSource } from "./watchfs_source.ts";

/**
 * The best source of events that there is for the folder at the absolute `root`.
 * @throws {ShortageError} if this user may not watch so much
 */
export function openSource(root: string, clock: Clock): WatchSource {
  return openInotifySource(root, clock) ?? openWatchFsSource(root, clock);
}
