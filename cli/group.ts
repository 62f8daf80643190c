import type { Command, Context } from "./_command.ts";
import { EXIT, UsageError } from "./_exit.ts";
import { askAccounts, DATA_FLAG } from "./_accounts.ts";
import type { GroupRow } from "./_account_requests.ts";
import { tableLines } from "./_table.ts";
import { chooseVerb } from "./_verb.ts";

export const group: Command = {
  name: "group",
  summary: "groups of users, to grant something to all of them at once",
  usage: "list | add|remove NAME | member GROUP add|remove USER...",
  about: [
    "What is granted to a group holds for all its members, as long as they are members. A grant of the user's own for " +
    "the same directory goes before it; of several groups the most generous one counts.",
    "A group that is removed takes its grants along. Its users stay.",
  ],
  flags: [DATA_FLAG],
  example:
    "fsync group add staff\nfsync group member staff add ann ben\nfsync grant docs --group staff write",
  words: { min: 0, max: 1000 },
  run: (context) =>
    chooseVerb(context, "list", {
      list: { words: 0, run: list },
      add: { words: 1, run: add },
      remove: { words: 1, run: remove },
      member: { words: [3, 1000], run: setMembers },
    }),
};

async function list(context: Context): Promise<number> {
  const { output } = context;
  const groups = await askAccounts(context, { do: "groups" });
  if (output.json) output.document({ result: "ok", groups });
  else {
    const rows = groups.map(({ name, members }) => [name, members.join(" ")]);
    for (const line of tableLines([{ title: "GROUP" }, { title: "MEMBERS" }], rows)) output.line(line);
  }
  return EXIT.ok;
}

async function add(context: Context, name?: string): Promise<number> {
  const row = await askAccounts(context, { do: "group-add", name: name! });
  return tell(context, row, `Group ${row.name} is there, without members and grants.`);
}

async function remove(context: Context, name?: string): Promise<number> {
  const row = await askAccounts(context, { do: "group-remove", name: name! });
  return tell(context, row, `Group ${row.name} is removed, with its grants. Its members stay users.`);
}

const CHANGES: ReadonlyMap<string, boolean> = new Map([["add", true], ["remove", false]]);

/** `GROUP add USER...`; `add GROUP USER...` means the same. */
async function setMembers(
  context: Context,
  first?: string,
  second?: string,
  ...users: string[]
): Promise<number> {
  const [name, change] = CHANGES.has(second!) ? [first!, second!] : [second!, first!];
  const member = CHANGES.get(change);
  if (member === undefined) {
    const hint = `like this: fsync group member ${first} add ${second}`;
    throw new UsageError(`Cannot change the members of "${first}": say add or remove`, hint);
  }
  const row = await askAccounts(context, { do: "group-member", group: name, users, member });
  const members = row.members.length === 0 ? "nobody" : row.members.join(", ");
  return tell(context, row, `In group ${row.name} now: ${members}.`);
}

function tell(context: Context, row: GroupRow, line: string): number {
  const { output } = context;
  if (output.json) output.document({ result: "ok", group: row });
  else output.info(line);
  return EXIT.ok;
}
