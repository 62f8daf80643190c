import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Welcome } from "../protocol/messages.ts";
import { HeldError } from "./errors.ts";
import { checkIdentity } from "./identity_check.ts";
import type { Binding } from "./state.ts";

const BINDING: Binding = {
  replica: "aa",
  folder: "f1",
  epoch: "e1",
  cursor: 100,
  server: "nas:65432",
  lastSync: 0,
};

const CASES: readonly {
  name: string;
  binding?: Partial<Binding>;
  server: { folder: string; epoch: string; head: number };
  refused: string | null;
}[] = [
  { name: "the same server", server: { folder: "f1", epoch: "e1", head: 100 }, refused: null },
  { name: "the same server, further on", server: { folder: "f1", epoch: "e1", head: 101 }, refused: null },
  {
    name: "the first meeting",
    binding: { folder: null, epoch: null, cursor: 0 },
    server: { folder: "x", epoch: "y", head: 0 },
    refused: null,
  },
  {
    name: "another folder",
    server: { folder: "f2", epoch: "e1", head: 100 },
    refused: "another server folder",
  },
  {
    name: "an emptied folder made anew",
    server: { folder: "f2", epoch: "e2", head: 0 },
    refused: "another server folder",
  },
  {
    name: "a replaced history",
    server: { folder: "f1", epoch: "e2", head: 500 },
    refused: "history was replaced",
  },
  {
    name: "an older backup",
    server: { folder: "f1", epoch: "e1", head: 99 },
    refused: "restored from a backup",
  },
];

for (const { name, binding = {}, server, refused } of CASES) {
  Deno.test(`identity check: ${name} is ${refused === null ? "accepted" : "refused"}`, () => {
    const check = () => checkIdentity({ ...BINDING, ...binding }, server as Welcome);
    if (refused === null) return assertEquals(check(), undefined);
    const error = assertThrows(check, HeldError, refused);
    assert(error.hint.includes("--accept-server"));
  });
}
