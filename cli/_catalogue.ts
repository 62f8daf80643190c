/** Every command with its structure: what manual pages, completions and docs/cli.md are made from. */
import type { Command } from "./_command.ts";
import { type Usage, usageOf } from "./_usage.ts";

export interface Entry {
  readonly name: string;
  readonly group?: string;
  readonly command: Command;
  readonly usage: Usage;
}

/** All commands, in the order of the table. */
export async function catalogue(): Promise<Entry[]> {
  // Late, since the table itself leads to the commands that ask for it.
  const { COMMANDS } = await import("./mod.ts");
  const entries: Entry[] = [];
  for (const [name, { load, group }] of COMMANDS) {
    const command = await load();
    entries.push({ name, command, usage: usageOf(command), ...(group === undefined ? {} : { group }) });
  }
  return entries;
}
