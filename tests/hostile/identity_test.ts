/** MS09, MS10: somebody who is not the server, or not the one that it was. */
import { assert, assertEquals } from "@std/assert";
import { HeldError } from "../../client/errors.ts";
import { parsePath } from "../../core/path.ts";
import { createIdentity, type Identity } from "../../system/identity.ts";
import { HostileServer } from "./hostile_server.ts";
import { hostileTest, Rig, TOKEN } from "./rig.ts";

const p = parsePath;

/** The device's token was sent to nobody. */
function checkSecret({ server }: Rig): void {
  const secret = new TextDecoder().decode(TOKEN);
  for (const bytes of server.bytes) {
    assert(!new TextDecoder().decode(bytes).includes(secret), "the token was sent");
  }
  assertEquals(server.received, []);
}

async function pinned(identity: Identity, impostor: () => Promise<Identity | null>): Promise<void> {
  const { caPem, serverName } = identity;
  await using rig = new Rig({ tls: { caPem, serverName } });
  await rig.server[Symbol.asyncDispose]();
  rig.server = new HostileServer({ tls: identity });
  rig.server.put("kept", "kept");
  assertEquals((await rig.status()).state, "in sync");
  const { port } = rig.server;
  await rig.server[Symbol.asyncDispose]();

  rig.server = new HostileServer({ tls: await impostor(), port });
  rig.server.welcome = { head: 100 };
  const error = await rig.refusal();
  assertEquals(error.name, "ConnectError", String(error));
  checkSecret(rig);
  assertEquals(rig.files(), ["kept=kept"]);
  rig.checkUntouched();
  await rig.server[Symbol.asyncDispose]();

  rig.server = new HostileServer({ tls: identity, port });
  await rig.checkHonest({ kept: "kept" });
}

Deno.test("hostile server: MS09: a self-signed identity of its own", async () => {
  await pinned(await createIdentity(), () => createIdentity());
});

Deno.test("hostile server: MS09: the certificate of the server, chained to another CA", async () => {
  const identity = await createIdentity();
  await pinned(identity, async () => {
    const other = await createIdentity();
    return { ...other, certPem: other.certPem + identity.caPem, serverName: identity.serverName };
  });
});

Deno.test("hostile server: MS09: no TLS at all", async () => {
  await pinned(await createIdentity(), () => Promise.resolve(null));
});

Deno.test("hostile server: MS09: certificates of the pinned CA that have ended, or are for another name", async () => {
  const ca = await makeCa();
  const good = { ...await ca.issue(ca.name, 1), caPem: ca.caPem, serverName: ca.name };
  await pinned(good, async () => ({ ...good, ...await ca.issue(ca.name, -1) }));
  await pinned(good, async () => ({ ...good, ...await ca.issue("other.fsync.internal", 1) }));
});

hostileTest("MS09: a man in the middle who passes everything on sees no more than TLS", async (_unused) => {
  const identity = await createIdentity();
  const { caPem, serverName } = identity;
  await using rig = new Rig({ tls: { caPem, serverName } });
  await rig.server[Symbol.asyncDispose]();
  await using real = new HostileServer({ tls: identity });
  real.put("kept", "a text that nobody else may read");
  const seen: Uint8Array[] = [];
  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relaying = (async () => {
    for await (const conn of proxy) {
      const on = await Deno.connect({ hostname: "127.0.0.1", port: real.port });
      const copy = async (from: Deno.Conn, to: Deno.Conn) => {
        const bytes = new Uint8Array(65_536);
        for (let n = await from.read(bytes); n !== null; n = await from.read(bytes)) {
          seen.push(bytes.slice(0, n));
          for (let at = 0; at < n;) at += await to.write(bytes.subarray(at, n));
        }
      };
      await Promise.race([copy(conn, on), copy(on, conn)]).catch(() => {});
      for (const one of [conn, on]) one.close();
    }
  })();
  Object.assign(rig, {
    server: Object.assign(Object.create(real), { port: (proxy.addr as Deno.NetAddr).port }),
  });
  assertEquals((await rig.status()).state, "in sync");
  const all = seen.map((bytes) => new TextDecoder().decode(bytes)).join("");
  assert(seen.length > 4 && !all.includes("nobody else may read"));
  assert(!all.includes(new TextDecoder().decode(TOKEN)));
  proxy.close();
  await relaying.catch(() => {});
  rig.server = new HostileServer();
});

for (
  const [name, change] of Object.entries({
    "another folder": { folder: "1".repeat(32) },
    "another history": { epoch: "1".repeat(32) },
    "an older head": { head: 0 },
  })
) {
  hostileTest(`MS10: the same address with ${name}, and everything gone`, async (rig) => {
    const { server } = rig;
    for (let i = 0; i < 5; i++) server.put(`f${i}`, "text");
    await rig.status();
    Deno.writeTextFileSync(rig.at("mine"), "mine");
    const before = rig.files();
    const { binding } = rig;
    server.welcome = change;
    server.on.subscribe = (talk, id) =>
      talk.send(id, { type: "changes", notices: [], upTo: 0, more: false, conflicts: 0 });
    const { length } = server.received;
    const error = await rig.refusal();
    assert(error instanceof HeldError, String(error));
    assert(error.hint.includes("--accept-server"));
    assertEquals(rig.files(), before);
    assertEquals(rig.binding, binding);
    // Not a word after the Hello.
    assertEquals(server.received.slice(length).map(({ type }) => type), ["hello"]);
    await rig.checkHonest({ f0: "text" });
    assertEquals(Deno.readTextFileSync(rig.at("mine")), "mine");
  });
}

hostileTest(
  "MS10: a replaced server that its user accepts is merged with, and nothing is deleted",
  async (rig) => {
    const { server } = rig;
    for (let i = 0; i < 5; i++) server.put(`f${i}`, "text");
    await rig.status();
    server.welcome = { folder: "1".repeat(32), epoch: "1".repeat(32) };
    server.heads.clear();
    server.revision = 0;
    server.put("new", "theirs");
    assert(await rig.refusal() instanceof HeldError);
    assertEquals((await rig.status((engine) => engine.acceptServer())).state, "in sync");
    assertEquals([...server.heads.keys()].sort(), ["f0", "f1", "f2", "f3", "f4", "new"]);
    assertEquals(rig.files(), ["f0=text", "f1=text", "f2=text", "f3=text", "f4=text", "new=theirs"]);
  },
);

hostileTest("MS10: revisions beyond all reason do not make a later server silent", async (rig) => {
  const { server } = rig;
  server.put("a", "1");
  await rig.status();
  // It says that a change of ours is revision 2^53 - 1; whatever comes later would count as older.
  server.on.upload = (talk, id) =>
    talk.send(id, { type: "results", results: [{ status: "ok", revision: Number.MAX_SAFE_INTEGER }] });
  Deno.writeTextFileSync(rig.at("mine"), "mine");
  await rig.status();
  server.on = {};
  server.setHead(p("mine"), null, null);
  server.put("mine", "an honest server's");
  assert(await rig.refusal() instanceof HeldError);
  assertEquals(Deno.readTextFileSync(rig.at("mine")), "mine");
});

/** A CA of which certificates of any kind are to be had. */
async function makeCa() {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const newKeys = () =>
    crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
  const name = "pinned.fsync.internal";
  const caKeys = await newKeys();
  const YEAR = 365 * 86_400_000;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=test CA",
    notBefore: new Date(Date.now() - 20 * YEAR),
    notAfter: new Date(Date.now() + 20 * YEAR),
    signingAlgorithm: algorithm,
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const issue = async (dns: string, years: number) => {
    const keys = await newKeys();
    const cert = await x509.X509CertificateGenerator.create({
      serialNumber: "02",
      subject: `CN=${dns}`,
      issuer: ca.subject,
      notBefore: new Date(Date.now() - 10 * YEAR),
      notAfter: new Date(Date.now() + years * YEAR),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth], true),
        new x509.SubjectAlternativeNameExtension([{ type: "dns", value: dns }]),
      ],
    });
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      certPem: cert.toString("pem") + "\n",
      keyPem: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") + "\n",
    };
  };
  return { name, caPem: ca.toString("pem") + "\n", issue };
}
