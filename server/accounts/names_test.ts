import { assertEquals, assertThrows } from "@std/assert";
import { AccountError } from "./accounts.ts";
import { accountName, checkName, deviceName, nameFault } from "./names.ts";

const GOOD = [
  "a",
  "ann",
  "Ann",
  "ann.lee@example.org",
  "José",
  "Łukasz",
  "井上",
  "राम",
  "_svc-1",
  "0",
  "x".repeat(64),
];
const BAD = [
  "",
  "-a",
  ".a",
  "@a",
  "a b",
  "a/b",
  "a\\b",
  "a:b",
  "a\n",
  "a\u0000b",
  "a\u202eb",
  "a\u200db",
  "a\ufe0f",
  "\u3164",
  "\u0301a",
  "Jose\u0301",
  "a\ud800",
  "😀",
  "x".repeat(65),
];

for (const name of GOOD) Deno.test(`"${name}" is a name`, () => assertEquals(nameFault(name), null));

for (const name of BAD) {
  Deno.test(`${JSON.stringify(name)} is no name`, () => {
    const error = assertThrows(() => checkName("user", name), AccountError, "as the name of a user: ");
    assertEquals([error.code, error.hint !== ""], ["invalid", true]);
  });
}

Deno.test("whoever runs a server has a name for its account, whatever the system calls them", () => {
  for (const name of GOOD) assertEquals(accountName(name), name);
  assertEquals(
    ["DOMAIN\\ann", "-x", "", "Jose\u0301", "a b$", "a\ud800"].map(accountName),
    ["DOMAIN_ann", "_x", "owner", "José", "a_b_", "a_"],
  );
  for (const name of BAD) assertEquals(nameFault(accountName(name)), null);
});

Deno.test("a device's name is what is visible of it, on one line", () => {
  assertEquals(deviceName("Ann's old laptop"), "Ann's old laptop");
  assertEquals(deviceName(" a \r\n\t b "), "a b");
  assertEquals(deviceName("\x1b]0;x\x07"), "]0;x");
  assertEquals(deviceName("\u202e\u200b"), "device");
});
