import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { AddressError } from "../system/address.ts";
import { ExposedFileError } from "../system/private_file.ts";
import {
  addCredential,
  type Credential,
  CredentialError,
  listCredentials,
  readCredential,
  readRemembered,
  writeCredential,
} from "./credentials.ts";

const NAS: Credential = {
  server: "nas.example.org:65432",
  tls: { caPem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
  device: "00112233445566778899aabbccddeeff",
  token: "abc-_123",
  user: "ann",
  folder: "ffeeddccbbaa99887766554433221100",
};
const OWN: Credential = { ...NAS, server: "127.0.0.1:7000", tls: null };

Deno.test("a credential is found again under its server, whatever the case, and nowhere else", () => {
  using dir = tempDir();
  assertEquals(readCredential(NAS.server, dir.path), null);
  assertEquals(listCredentials(dir.path), []);
  writeCredential(NAS, { dir: dir.path });
  assertEquals(readCredential("NAS.example.org", dir.path), NAS);
  assertEquals(readCredential("nas.example.org:65433", dir.path), null);
  assertEquals(readCredential("nas", dir.path), null);
  assertEquals(Deno.statSync(fileIn(dir.path, "nas.example.org_65432")).mode! & 0o777, 0o600);
  assertEquals(Deno.statSync(`${dir.path}/servers`).mode! & 0o777, 0o700);
});

Deno.test("a server on this machine is found by every name of this machine", () => {
  using dir = tempDir();
  writeCredential(OWN, { at: "localhost:7000", dir: dir.path });
  for (const host of ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", Deno.hostname()]) {
    assertEquals(readCredential(`${host}:7000`, dir.path), OWN, host);
  }
  assertEquals(readCredential("localhost:7001", dir.path), null);
});

Deno.test("the list has all, those that cannot be used with their problem", () => {
  using dir = tempDir();
  writeCredential(NAS, { dir: dir.path });
  writeCredential(OWN, { dir: dir.path });
  Deno.chmodSync(fileIn(dir.path, "nas.example.org_65432"), 0o644);
  const [own, nas, ...rest] = listCredentials(dir.path);
  assertEquals(own, { key: "localhost_7000", credential: OWN });
  assertEquals(nas?.key, "nas.example.org_65432");
  assertInstanceOf(nas !== undefined && "problem" in nas ? nas.problem : null, ExposedFileError);
  assertEquals(rest, []);
});

Deno.test("a file that others may read is refused", () => {
  using dir = tempDir();
  writeCredential(NAS, { dir: dir.path });
  Deno.chmodSync(fileIn(dir.path, "nas.example.org_65432"), 0o604);
  assertThrows(() => readCredential(NAS.server, dir.path), ExposedFileError, "other users");
});

const damaged: [what: string, text: string][] = [
  ["half a file", '{"format":1,"ser'],
  ["an array", "[]"],
  ["null", "null"],
  ["another format", changed("format", 2)],
  ["no token", changed("token", undefined)],
  ["a token that is a number", changed("token", 5)],
  ["no pin", changed("tls", undefined)],
  ["a pin without a certificate", changed("tls", {})],
  ["a device that is no id", changed("device", "../x")],
  ["a server that is no address", changed("server", "a/b")],
  ["an empty user", changed("user", "")],
];
for (const [what, text] of damaged) {
  Deno.test(`a damaged credential is an error: ${what}`, () => {
    using dir = tempDir();
    writeCredential(NAS, { dir: dir.path });
    Deno.writeTextFileSync(fileIn(dir.path, "nas.example.org_65432"), text);
    const error = assertThrows(() => readCredential(NAS.server, dir.path), CredentialError);
    assertEquals(error.message.includes(NAS.token), false);
  });
}

Deno.test("a server that would lead out of the directory is no address", () => {
  assertThrows(() => readCredential("../../x:1", "/nowhere"), AddressError);
});

function changed(field: string, value: unknown): string {
  return JSON.stringify({ format: 1, ...NAS, [field]: value });
}

function fileIn(dir: string, key: string): string {
  return `${dir}/servers/${key}.json`;
}

function tempDir() {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

Deno.test("several users of one server have credentials beside each other, and each replaces its own", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const server = "nas:65432";
    const of = (user: string, token = "AAAA") => ({ ...NAS, server, user, token });
    assertEquals(addCredential(of("ann"), dir), "nas_65432");
    assertEquals(addCredential(of("bob"), dir), "nas_65432@bob");
    assertEquals(addCredential(of("ann", "BBBB"), dir), "nas_65432");
    assertEquals(addCredential(of("bob", "CCCC"), dir), "nas_65432@bob");
    const strange = ["../x", "a/b", ".", "\n", "x".repeat(300), "Bob", "bob "];
    const keys = strange.map((user) => addCredential(of(user), dir));
    assertEquals(new Set([...keys, "nas_65432@bob"]).size, strange.length + 1);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["servers"]);
    for (const [i, key] of keys.entries()) assertEquals(readRemembered(server, key, dir)?.user, strange[i]);
    assertEquals(readRemembered(server, "", dir)?.token, "BBBB");
    assertEquals(readRemembered(server, "nas_65432@bob", dir)?.token, "CCCC");
    assertEquals(readRemembered(server, "nas_65432@nobody", dir), null);
    for (const key of ["../servers/nas_65432", ".", "a/b", "x\0y", "k".repeat(400)]) {
      assertEquals(readRemembered(server, key, dir), null, key);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("a credential that nobody can use any more makes room for another user's", () => {
  const dir = Deno.makeTempDirSync();
  try {
    const server = "nas:65432";
    addCredential({ ...NAS, server, user: "ann" }, dir);
    Deno.writeTextFileSync(`${dir}/servers/nas_65432.json`, "{");
    assertEquals(addCredential({ ...NAS, server, user: "bob" }, dir), "nas_65432");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
