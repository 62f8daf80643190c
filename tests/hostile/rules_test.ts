/** MC02: ignore files that somebody else wrote. They say what is left out here, and can do nothing else. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { parsePath } from "../../core/path.ts";
import { hostileTest } from "./rig.ts";

/** Rules that want to reach outside, or to cost time: each star doubles the ways to match. */
const RULES = [
  ...[
    "../canary",
    "../canary/secret",
    "/etc/passwd",
    "!../canary/x",
    "..",
    ".",
    "/",
    "//",
    "!/..",
    "a/../../canary",
  ],
  ...[".fsync", "!.fsync/", "/.fsync/state.db", "\\", "[", "[]", "[a-", "!", "**", "!**", "\0", "é[\ud7ff]"],
  `${"*a".repeat(500)}b`,
  `${"**/".repeat(200)}x`,
  `${"[a-z]*".repeat(200)}!`,
  "x".repeat(20_000),
];

hostileTest(
  "MC02: ignore files of others reach nothing outside, cost little time and delete nothing",
  async (rig) => {
    const { server } = rig;
    server.put("kept", "kept");
    server.put(`${"a".repeat(200)}/${"a".repeat(200)}`, "deep");
    await rig.status();
    const before = rig.files();
    for (const rules of [RULES.join("\n"), RULES.toReversed().join("\r\n"), "*\n".repeat(60_000)]) {
      server.put(".fsyncignore", rules);
      const began = performance.now();
      await rig.status();
      assertLess(performance.now() - began, 10_000);
      assertEquals(rig.files().filter((line) => !line.startsWith(".fsyncignore")), before);
      rig.checkUntouched();
    }
    // They count, and still what they leave out went nowhere, here or on the server.
    assert(rig.events.some(({ type }) => type === "rules"));
    assert(server.heads.get(parsePath("kept"))?.entry !== null);
    server.put(".fsyncignore", "");
    await rig.checkHonest({ kept: "kept" });
  },
  { ignores: true },
);
