/**
 * The TLS identity of a server: a CA made at first start, and the one certificate that it ever signs. Clients pin the
 * CA. Its key is forgotten at once: docs/decisions/0003-tls-identity.md says why.
 */
import { hash } from "node:crypto";
import { Buffer } from "node:buffer";
import { dirname } from "@std/path";
import { makePrivateDir, readPrivateFile, syncDir, writePrivateFile } from "./private_file.ts";

export interface Identity {
  readonly caPem: string;
  readonly certPem: string;
  /** PKCS #8. A secret. */
  readonly keyPem: string;
  /** The name in the certificate, made from the digest of the CA; it resolves nowhere. */
  readonly serverName: string;
}

/** The identity of a server is damaged, or cannot be told. */
export class IdentityError extends Error {
  override name = "IdentityError";
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** A wrong clock must lock nobody out, and a pinned certificate gains nothing from an end. */
const NOT_BEFORE = new Date("1970-01-01T00:00:00Z");
const NOT_AFTER = new Date("2099-12-31T23:59:59Z");

/**
 * The identity in `dir` (`ca.pem`, `cert.pem`, `key.pem`, mode 0600). If there is no `dir`, makes one.
 *
 * @throws {IdentityError} if `dir` is there but not complete: a new identity would lock every client out
 * @throws {ExposedFileError} if others may read a file
 */
export async function loadOrCreateIdentity(dir: string): Promise<Identity> {
  if (!isMissingOrEmpty(dir)) return load(dir);
  const identity = await createIdentity();
  save(dir, identity);
  return identity;
}

/** The name that the server with this CA has in its certificate. @throws {IdentityError} if it is no PEM certificate */
export function serverNameOf(caPem: string): string {
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(caPem)?.[1];
  if (body === undefined) throw new IdentityError("Cannot read the server's CA: it is not a PEM certificate");
  return nameFor(Buffer.from(body, "base64"));
}

/** A fresh identity. Loads the X.509 code, which takes about a tenth of a second. */
export async function createIdentity(): Promise<Identity> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const validity = { notBefore: NOT_BEFORE, notAfter: NOT_AFTER, signingAlgorithm: ALGORITHM };
  const caKeys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: serialNumber(),
    name: "CN=fsync CA",
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const serverName = nameFor(new Uint8Array(ca.rawData));
  const keys = await newKeys();
  const cert = await x509.X509CertificateGenerator.create({
    ...validity,
    serialNumber: serialNumber(),
    subject: `CN=${serverName}`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth], true),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: serverName }]),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    caPem: ca.toString("pem") + "\n",
    certPem: cert.toString("pem") + "\n",
    keyPem: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") + "\n",
    serverName,
  };
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

/** 16 random bytes; the first one keeps the number positive. */
function serialNumber(): string {
  return "01" + Buffer.from(crypto.getRandomValues(new Uint8Array(15))).toString("hex");
}

function nameFor(caDer: Uint8Array): string {
  return `${hash("sha256", caDer, "hex").slice(0, 32)}.fsync.internal`;
}

function load(dir: string): Identity {
  const caPem = readPart(dir, "ca.pem");
  return {
    caPem,
    certPem: readPart(dir, "cert.pem"),
    keyPem: readPart(dir, "key.pem"),
    serverName: serverNameOf(caPem),
  };
}

function readPart(dir: string, name: string): string {
  const text = readPrivateFile(`${dir}/${name}`);
  if (text === null) {
    throw new IdentityError(
      `Cannot read the server's identity: "${dir}/${name}" is missing; restore it from a backup`,
    );
  }
  return text;
}

/** The three files appear together, by one rename of their directory. */
function save(dir: string, identity: Identity): void {
  const fresh = `${dir}.new`;
  removeAll(fresh);
  makePrivateDir(fresh);
  writePrivateFile(`${fresh}/ca.pem`, identity.caPem);
  writePrivateFile(`${fresh}/cert.pem`, identity.certPem);
  writePrivateFile(`${fresh}/key.pem`, identity.keyPem);
  Deno.renameSync(fresh, dir);
  syncDir(dirname(dir));
}

function removeAll(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function isMissingOrEmpty(dir: string): boolean {
  try {
    for (const _ of Deno.readDirSync(dir)) return false;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
