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
  seen: 120,
  view: "v1",
  server: "nas:65432",
  folderName: "",
  credential: "",
  lastSync: 0,
};

const CASES: readonly {
  name: string;
  binding?: Partial<Binding>;
  server: { folder: string; epoch: string; head: number };
  refused: string | null;
}[] = [
  { name: "the same server", server: { folder: "f1", epoch: "e1", head: 120 }, refused: null },
  { name: "the same server, further on", server: { folder: "f1", epoch: "e1", head: 121 }, refused: null },
  {
    name: "a folder that was joined and never synced",
    binding: { epoch: null, cursor: 0, seen: 0 },
    server: { folder: "f1", epoch: "e7", head: 0 },
    refused: null,
  },
  {
    name: "another folder than the one that was joined",
    binding: { epoch: null, cursor: 0, seen: 0 },
    server: { folder: "f2", epoch: "e1", head: 0 },
    refused: "another server folder",
  },
  {
    name: "the first meeting",
    binding: { folder: null, epoch: null, cursor: 0, seen: 0 },
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
  {
    name: "an older backup, while the folder is to be listed anew",
    binding: { cursor: 0 },
    server: { folder: "f1", epoch: "e1", head: 119 },
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
