import type { Rights } from "../core/access.ts";
import type { Revision } from "../protocol/messages.ts";
import type { Actor } from "./heads.ts";

/** How much the versions of one user may weigh, in all folders of the server together. */
export interface Quota {
  /** Bytes; `null`: no bound. Asked for anew each time. */
  readonly bound: () => number | null;
  /** Bytes that the user has in all folders, with what is on its way in. */
  readonly used: () => number;
}

/** Who asks. */
export interface Caller {
  readonly actor: Actor;
  /** What it may do at this moment: asked for anew each time, since a grant takes effect at once. */
  readonly rights: () => Rights;
  /** When its conversation began: what was a head since then, under the same rights, it could have read. */
  readonly since?: { readonly revision: Revision; readonly rights: Rights };
  /** Without it there is no bound. */
  readonly quota?: Quota;
}
