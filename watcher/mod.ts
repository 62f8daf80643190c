/**
 * Turns file events into "look here". Knows nothing of sync; may import core/ and system/. Start with watcher.ts, then
 * aggregate.ts (when to report), inotify_source.ts (what is reported), watched_tree.ts, inotify_budget.ts (the proof).
 *
 * Events are hints and the scan is the truth, so everything here may cost time and nothing may cost data: what an
 * event does not tell, the periodic look at everything finds; and what is watched is counted, not believed.
 *
 * **Why inotify and not `Deno.watchFs`.** Measured on Deno 2.9.6, each a reason of its own:
 *
 * - It opens what it reports. One `mkfifo` in the folder blocks its thread for ever; no event comes any more, no flag
 *   says so, `/proc` still lists every watch, and the next `Deno.watchFs` of the process blocks the whole process.
 * - A link that leads out of the folder makes no event; one that leads nowhere is reported as removed.
 * - A name that is not UTF-8 throws a TypeError instead of the event, and names no place.
 * - Directories made in quick succession lose events without a flag; after a rescan flag some stay unwatched.
 * - It watches `.fsync` too, so each of our own writes would cost events.
 *
 * With inotify called directly (system/inotify.ts) a directory is watched first, then listed, and reported last. What
 * came before the watch is in the listing, what comes after it is an event, and the reader looks after both: there is
 * no gap, and no second look some time later is needed. A watch belongs to the directory, not to its path, so a renamed
 * directory only hangs in another place of the tree; it is walked again all the same, because what was made in it just
 * before the rename was reported under a path that led nowhere.
 *
 * **Facts that shape the rest.**
 *
 * - Reading makes no event. A write is create, modify, close-write; only the close says that the file is quiet. So a
 *   path is reported 2 ms after a close, rename or removal, 20 ms after the last modify without a close (a link or a
 *   log), and at the latest one second after its first event, however busy it is.
 * - The kernel merges equal events in a row and holds `max_queued_events` (16,384); then it drops them and says so. The
 *   answer is to watch and look at everything, at most once a second. More than 20,000 waiting paths end the same way.
 * - `/proc/self/fdinfo` has a line with the inode of every directory that is watched. `health()` compares these with the
 *   directories on disk; that is what "4120 of 4120 directories watched" means.
 * - One user may watch `max_user_watches` directories (ENOSPC), with `max_user_instances` queues (EMFILE), all
 *   programs together. What cannot be watched is polled, the events that there are go on, and the advice is a line to
 *   paste. When somebody raises the limit, the next poll notices.
 * - What `skip` names (ignored trees) is neither watched nor counted. When it would answer otherwise, everything is watched
 *   anew: rules change so seldom that one way to watch is worth more than a quick one.
 * - Changes that other machines make on a network file system are no events here: such a folder is polled.
 * - A root that is renamed away goes on sending events, from its new place; a directory made anew often gets the old
 *   inode number. So the loss of the root always opens the source anew.
 *
 * When nothing happens nothing runs: one read that waits in the kernel, and one timer for the periodic look.
 */
export type { Depth, Dirty } from "./dirty.ts";
export type { Shortage, WatchSource } from "./source.ts";
export { startWatcher, type Watcher, type WatcherHealth, type WatcherOptions } from "./watcher.ts";
