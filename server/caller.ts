import type { Rights } from "../core/access.ts";
import type { Actor } from "./heads.ts";

/** Who asks. */
export interface Caller {
  readonly actor: Actor;
  /** What it may do at this moment: asked for anew each time, since a grant takes effect at once. */
  readonly rights: () => Rights;
}
