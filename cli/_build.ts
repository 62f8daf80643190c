/**
 * How this program was built. `deno task compile` puts another version of this file in its place; as it stands here it
 * says that the program runs from its sources.
 */
export interface Build {
  /** `compiled`: by `deno compile`. `self-extracting`: a Deno runtime and the program, unpacked at the first start. */
  readonly kind: "sources" | "compiled" | "self-extracting";
  /** The commit it was built from, with `-dirty` if files differed from it. */
  readonly commit: string | null;
}

export const BUILD: Build = { kind: "sources", commit: null };
