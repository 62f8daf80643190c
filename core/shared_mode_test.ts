import { assertEquals } from "@std/assert";
import { modeFromShared, modeInShared } from "./shared_mode.ts";

const octal = (mode: number) => mode.toString(8);

Deno.test("in a shared folder the group may do with a file what its owner may, and everything with a directory", () => {
  const files = [0o644, 0o600, 0o755, 0o700, 0o444, 0o400, 0o664, 0o000].map((mode) =>
    octal(modeInShared("file", mode))
  );
  assertEquals(files, ["664", "660", "775", "770", "444", "440", "664", "0"]);
  assertEquals([0o755, 0o700, 0o500].map((mode) => octal(modeInShared("dir", mode))), ["775", "770", "570"]);
});

Deno.test("what was written into a shared folder is what was agreed on, whatever it was", () => {
  for (let mode = 0; mode <= 0o777; mode++) {
    for (const kind of ["file", "dir"] as const) {
      assertEquals(modeFromShared(modeInShared(kind, mode), mode), mode);
    }
  }
});

Deno.test("of something new in a shared folder the group's bits stay behind", () => {
  const cases = [[0o664, 0o644], [0o660, 0o600], [0o640, 0o600], [0o600, 0o600], [0o775, 0o755], [
    0o770,
    0o700,
  ]];
  for (const [there, travels] of cases) assertEquals(octal(modeFromShared(there!, null)), octal(travels!));
});

Deno.test("a real chmod in a shared folder travels with the group's bits that were agreed on", () => {
  const cases = [
    { name: "chmod +x", mode: 0o775, agreed: 0o644, travels: 0o755 },
    { name: "chmod +x, the group may not read", mode: 0o770, agreed: 0o600, travels: 0o700 },
    { name: "chmod +x, others may not read", mode: 0o770, agreed: 0o640, travels: 0o750 },
    { name: "chmod -x", mode: 0o664, agreed: 0o755, travels: 0o644 },
    { name: "chmod o-r", mode: 0o660, agreed: 0o644, travels: 0o640 },
    { name: "chmod u-w", mode: 0o464, agreed: 0o664, travels: 0o464 },
    { name: "chmod g-w", mode: 0o644, agreed: 0o664, travels: 0o664 },
    { name: "chmod g+w", mode: 0o664, agreed: 0o644, travels: 0o644 },
    { name: "chmod 600", mode: 0o600, agreed: 0o644, travels: 0o640 },
  ];
  for (const { name, mode, agreed, travels } of cases) {
    assertEquals([name, octal(modeFromShared(mode, agreed))], [name, octal(travels)]);
  }
});
