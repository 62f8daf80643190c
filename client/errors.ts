/** Errors by which the commands decide what to tell and how to exit. */

/** The server cannot be reached at the moment. */
export class UnreachableError extends Error {
  override name = "UnreachableError";
  readonly hint: string;
  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** Going on could lose data, so somebody has to decide. */
export class HeldError extends Error {
  override name = "HeldError";
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
