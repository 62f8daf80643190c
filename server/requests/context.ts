import type { Message } from "../../protocol/messages.ts";
import type { Clock } from "../../system/clock.ts";
import type { Caller } from "../caller.ts";
import type { Folder } from "../folder.ts";

/** What the requests of one session work with. */
export interface RequestContext {
  readonly folder: Folder;
  readonly caller: Caller;
  readonly clock: Clock;
  readonly send: (id: number, message: Message) => Promise<void>;
  /** Aborted when the session has ended. */
  readonly signal: AbortSignal;
}
