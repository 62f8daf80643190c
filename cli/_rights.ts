/** What a user may do in a folder, in words. */
import { type Access, Rights, type Rule } from "../core/access.ts";
import { displayPath } from "../core/path.ts";

/** Parts of a folder that are named; the rest is counted. */
const PARTS_MAX = 5;

/** `read only`, `write: docs, notes; read: the rest`; `null` if everything may be done. */
export function describeRights(rules: readonly Rule[]): string | null {
  const rights = new Rights(rules);
  if (rights.allowsTree(null, "write")) return null;
  if (rights.allowsTree(null, "read") && rules.every(({ access }) => access === "read")) return "read only";
  const parts = (["write", "read"] as const).flatMap((access) => {
    const names = partsOf(rules, access);
    return names.length === 0 ? [] : [`${access}: ${names.join(", ")}`];
  });
  return parts.length === 0 ? "nothing" : parts.join("; ");
}

function partsOf(rules: readonly Rule[], access: Access): string[] {
  const named = rules.filter((rule) => rule.access === access);
  const parts = named.flatMap(({ prefix }) => prefix === null ? [] : [displayPath(prefix)]).sort();
  const shown = parts.slice(0, PARTS_MAX);
  if (parts.length > shown.length) shown.push(`${parts.length - shown.length} more`);
  if (named.some(({ prefix }) => prefix === null)) shown.push("the rest");
  return shown;
}

/** `folder main, as bob (read only)` */
export function describeMembership(
  { folder, user, rules }: {
    readonly folder: string;
    readonly user: string;
    readonly rules: readonly Rule[];
  },
): string {
  const may = describeRights(rules);
  const where = folder === "" ? "" : `folder ${displayPath(folder)}, `;
  return `${where}as ${displayPath(user)}${may === null ? "" : ` (${may})`}`;
}
