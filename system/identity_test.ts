import { assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { createIdentity, IdentityError, loadOrCreateIdentity, serverNameOf } from "./identity.ts";
import { ExposedFileError } from "./private_file.ts";

Deno.test("the first start makes an identity, every later one finds it", async () => {
  using dir = tempDir();
  const path = `${dir.path}/.fsync/tls`;
  const made = await loadOrCreateIdentity(path);
  assertEquals(await loadOrCreateIdentity(path), made);
  assertMatch(made.serverName, /^[0-9a-f]{32}\.fsync\.internal$/);
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["ca.pem", "cert.pem", "key.pem"]);
  for (const { name } of Deno.readDirSync(path)) assertEquals(modeOf(`${path}/${name}`), 0o600, name);
  assertEquals(modeOf(path), 0o700);
  assertEquals([...Deno.readDirSync(`${dir.path}/.fsync`)].map(({ name }) => name), ["tls"]);
});

Deno.test("the certificate is for the name made from its CA, signed by it, and outlasts us", async () => {
  const { caPem, certPem, serverName } = await createIdentity();
  const ca = new X509Certificate(caPem);
  const cert = new X509Certificate(certPem);
  assertEquals(serverNameOf(caPem), serverName);
  assertEquals(ca.fingerprint256.replaceAll(":", "").toLowerCase().slice(0, 32), serverName.split(".")[0]);
  assertEquals([cert.subjectAltName, cert.subject, cert.ca], [
    `DNS:${serverName}`,
    `CN=${serverName}`,
    false,
  ]);
  assertEquals([ca.ca, cert.issuer, cert.verify(ca.publicKey)], [true, ca.subject, true]);
  assertEquals([new Date(cert.validFrom).getFullYear(), new Date(cert.validTo).getFullYear()], [1970, 2099]);
});

Deno.test("two servers have two identities", async () => {
  const [one, other] = await Promise.all([createIdentity(), createIdentity()]);
  assertNotEquals(one.serverName, other.serverName);
  assertNotEquals(one.keyPem, other.keyPem);
});

Deno.test("an identity with a part missing is an error, never a new one", async () => {
  using dir = tempDir();
  const path = `${dir.path}/tls`;
  await loadOrCreateIdentity(path);
  Deno.removeSync(`${path}/key.pem`);
  await assertRejects(() => loadOrCreateIdentity(path), IdentityError, "key.pem");
  assertEquals([...Deno.readDirSync(path)].length, 2);
});

Deno.test("a key that others may read is refused", async () => {
  using dir = tempDir();
  const path = `${dir.path}/tls`;
  await loadOrCreateIdentity(path);
  Deno.chmodSync(`${path}/key.pem`, 0o640);
  await assertRejects(() => loadOrCreateIdentity(path), ExposedFileError, "key.pem");
});

Deno.test("what a killed first start left behind does not matter", async () => {
  using dir = tempDir();
  Deno.mkdirSync(`${dir.path}/tls`);
  Deno.mkdirSync(`${dir.path}/tls.new`);
  Deno.writeTextFileSync(`${dir.path}/tls.new/ca.pem`, "half");
  const made = await loadOrCreateIdentity(`${dir.path}/tls`);
  assertEquals(await loadOrCreateIdentity(`${dir.path}/tls`), made);
});

Deno.test("only a PEM certificate has a server name", () => {
  for (const text of ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]) {
    assertThrows(() => serverNameOf(text), IdentityError);
  }
});

function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

function tempDir() {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
