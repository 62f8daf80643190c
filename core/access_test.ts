import { assertEquals } from "@std/assert";
import { type Access, type Grant, Rights, rulesFor } from "./access.ts";
import { parsePath, type SyncPath } from "./path.ts";

const path = (text: string): SyncPath => parsePath(text);

function grant(kind: "user" | "group", name: string, prefix: string, access: Access, history = false): Grant {
  return { subject: { kind, name }, prefix: prefix === "" ? null : path(prefix), access, history };
}

function rightsOf(user: string, groups: string[], grants: Grant[]): Rights {
  return new Rights(rulesFor(user, new Set(groups), grants));
}

Deno.test("access: without a grant nothing is allowed", () => {
  const rights = rightsOf("anna", ["team"], [grant("user", "ben", "", "write")]);
  assertEquals(rights.at(path("a")), "none");
  assertEquals(rights.sees(path("a"), true), false);
  assertEquals(rights.allowsTree(null, "read"), false);
});

Deno.test("access: the longest prefix decides, by whole names", () => {
  const rights = rightsOf("anna", ["team"], [
    grant("group", "team", "", "write"),
    grant("group", "team", "docs", "read"),
    grant("user", "anna", "docs/secret", "none"),
    grant("group", "team", "docs/secret/mine", "write"),
  ]);
  const at = (text: string) => rights.at(path(text));
  assertEquals([at("x"), at("docs"), at("docsx"), at("docs/a")], ["write", "read", "write", "read"]);
  assertEquals([at("docs/secret"), at("docs/secret/a"), at("docs/secret/mine/a")], ["none", "none", "write"]);
});

Deno.test("access: for one prefix the user goes before groups, and the most generous group counts", () => {
  const grants = [
    grant("group", "readers", "a", "read", true),
    grant("group", "writers", "a", "write"),
    grant("user", "anna", "a", "none", true),
  ];
  assertEquals(rightsOf("anna", ["readers", "writers"], grants).at(path("a/b")), "none");
  assertEquals(rightsOf("anna", ["readers", "writers"], grants).showsPast(path("a/b")), false);
  assertEquals(rightsOf("ben", ["readers", "writers"], grants).at(path("a/b")), "write");
  assertEquals(rightsOf("ben", ["readers", "writers"], grants).showsPast(path("a/b")), true);
  assertEquals(rightsOf("ben", ["readers"], grants).at(path("a/b")), "read");
});

Deno.test("access: directories that lead to something readable are seen, nothing else in them is", () => {
  const rights = rightsOf("anna", [], [grant("user", "anna", "a/b/c", "read")]);
  assertEquals(rights.sees(path("a"), true), true);
  assertEquals(rights.sees(path("a/b"), true), true);
  assertEquals(rights.sees(path("a/b"), false), false, "a file there leads nowhere");
  assertEquals(rights.sees(path("a/x"), true), false);
  assertEquals(rights.sees(path("a/b/c/d"), false), true);
  assertEquals(rights.at(path("a")), "none");
});

Deno.test("access: a tree is allowed only with everything below it", () => {
  const rights = rightsOf("anna", [], [
    grant("user", "anna", "", "write"),
    grant("user", "anna", "a/secret", "none"),
    grant("user", "anna", "b/c", "read"),
  ]);
  assertEquals(rights.allowsTree(null, "read"), false);
  assertEquals(rights.allowsTree(path("a"), "read"), false);
  assertEquals(rights.allowsTree(path("a/x"), "write"), true);
  assertEquals(rights.allowsTree(path("b"), "read"), true);
  assertEquals(rights.allowsTree(path("b"), "write"), false);
  assertEquals(rights.allowsTree(path("ab"), "write"), true);
  assertEquals(Rights.ALL.allowsTree(null, "write"), true);
});

Deno.test("access: a move opens what can be read at the new place only, also further down", () => {
  const rights = rightsOf("anna", [], [
    grant("user", "anna", "", "none"),
    grant("user", "anna", "open", "read"),
    grant("user", "anna", "open/closed", "none"),
    grant("user", "anna", "private/hole", "read"),
    grant("user", "anna", "private/deep/a/b", "none"),
  ]);
  const opens = (from: string, to: string) => rights.opens(path(from), path(to));
  assertEquals(opens("private/x", "open/x"), true);
  assertEquals(opens("open/x", "private/x"), false);
  assertEquals(opens("private/x", "other"), false);
  assertEquals(opens("open/x", "open/y"), false);
  // Only what lies at a rule of one of both ends differs.
  assertEquals(opens("open", "open2"), false);
  assertEquals(opens("x", "private"), true, "x/hole would be read as private/hole");
  assertEquals(opens("open", "private/hole"), true, "open/closed would be read as private/hole/closed");
  assertEquals(opens("openx", "open"), true);
  assertEquals(Rights.ALL.opens(path("a"), path("b")), false);
  assertEquals(new Rights([]).opens(path("a"), path("b")), false);
});
