/**
 * Ends the current operation when something that must be true is not.
 *
 * Only for impossible states (a bug of ours), never for input, disks or peers: a full disk is not a bug.
 *
 * @throws {Bug} when `condition` is false
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Bug(message);
}

/** A broken invariant. The commands let it end the process, because going on could lose data. */
export class Bug extends Error {
  constructor(message: string) {
    super(`bug: ${message}`);
    this.name = "Bug";
  }
}
