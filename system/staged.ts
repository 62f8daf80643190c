import { invariant } from "../core/invariant.ts";
import type { FileKind, Staged } from "./disk.ts";

/** What {@link Staged} is on the real disk: a name in the staging area. */
export class StagedThing {
  readonly name: string;
  readonly kind: FileKind;
  /** Permission bits that it is to have in the end. */
  readonly mode: number;
  /** Set when it was placed or thrown away. */
  gone = false;

  constructor(name: string, kind: FileKind, mode: number) {
    this.name = name;
    this.kind = kind;
    this.mode = mode;
  }

  seal(): Staged {
    return this as unknown as Staged;
  }

  static of(staged: Staged): StagedThing {
    invariant((staged as unknown) instanceof StagedThing, "a staged thing belongs to another disk");
    return staged as unknown as StagedThing;
  }
}
