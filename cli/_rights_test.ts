import { assertEquals } from "@std/assert";
import type { Rule } from "../core/access.ts";
import { parsePath } from "../core/path.ts";
import { describeMembership, describeRights } from "./_rights.ts";

function rule(prefix: string | null, access: "read" | "write"): Rule {
  return { prefix: prefix === null ? null : parsePath(prefix), access, history: false };
}

const CASES: readonly [readonly Rule[], string | null][] = [
  [[rule(null, "write")], null],
  [[rule(null, "write"), rule("docs", "write")], null],
  [[rule(null, "read")], "read only"],
  [[rule(null, "read"), rule("docs", "read")], "read only"],
  [[rule(null, "read"), rule("docs", "write")], "write: docs; read: the rest"],
  [[rule(null, "write"), rule("docs", "read")], "write: the rest; read: docs"],
  [[rule("b", "write"), rule("a\n", "write"), rule("c", "read")], "write: a\\n, b; read: c"],
  [Array.from({ length: 8 }, (_, i) => rule(`d${i}`, "read")), "read: d0, d1, d2, d3, d4, 3 more"],
  [[], "nothing"],
];

for (const [rules, expected] of CASES) {
  Deno.test(`rights in words: ${expected ?? "everything"}`, () => {
    assertEquals(describeRights(rules), expected);
  });
}

Deno.test("a membership in words names what a terminal must not act on harmlessly", () => {
  const rules = [rule(null, "read")];
  assertEquals(
    describeMembership({ folder: "main", user: "b\x1bob", rules }),
    "folder main, as b\\eob (read only)",
  );
});
