/** Completion scripts. They stand alone: a shell that completes does not start the program. */
import type { Entry } from "./_catalogue.ts";
import { bashCompletion } from "./_completion_bash.ts";
import { fishCompletion } from "./_completion_fish.ts";
import { zshCompletion } from "./_completion_zsh.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const MAKERS: { readonly [shell in Shell]: (entries: readonly Entry[]) => string } = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** The script that completes `fsync` in `shell`. */
export function completion(shell: Shell, entries: readonly Entry[]): string {
  return MAKERS[shell](entries);
}
