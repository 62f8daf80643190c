/**
 * What of a server's identity goes into an invitation: the key of its CA and its name, 49 bytes. Whoever joins with them
 * talks to that server and no other before it has the CA itself.
 */
import { Buffer } from "node:buffer";
import { ECDH, X509Certificate } from "node:crypto";
import { IdentityError, serverNameOf } from "./identity.ts";
import type { PinnedServer } from "./tcp_link.ts";

export interface ServerPin {
  /** The public key of the CA: a compressed point of P-256, 33 bytes. */
  readonly point: Uint8Array;
  /** The first 16 bytes of the SHA-256 of the CA, which are the server's name. */
  readonly name: Uint8Array;
}

export const POINT_BYTES = 33;
export const NAME_BYTES = 16;

const CURVE = "prime256v1";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const NOT_BEFORE = new Date("1970-01-01T00:00:00Z");
const NOT_AFTER = new Date("2099-12-31T23:59:59Z");

/** What stands for the server with this CA. @throws {IdentityError} if it is no CA of ours */
export function pinOf(caPem: string): ServerPin {
  const name = Uint8Array.fromHex(serverNameOf(caPem).split(".")[0]!);
  return { point: pointOf(caPem), name };
}

/** Whether `caPem` is the CA that `pin` stands for. @throws {IdentityError} if it is no CA of ours */
export function isPinned(caPem: string, pin: ServerPin): boolean {
  const { point, name } = pinOf(caPem);
  return Buffer.from(point).equals(pin.point) && Buffer.from(name).equals(pin.name);
}

/**
 * A pin to connect with: a certificate for the CA's key that is trusted because it is in our hand. Nobody's signature is
 * on it, and none is needed: TLS asks an anchor for its name and its key alone. Loads the X.509 code, which takes about a
 * tenth of a second.
 *
 * @throws {IdentityError} if `point` is no key
 */
export async function anchorFor({ point, name }: ServerPin): Promise<PinnedServer> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const throwaway = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.create({
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    serialNumber: "01",
    subject: "CN=fsync CA",
    issuer: "CN=fsync CA",
    publicKey: await importPoint(point),
    signingKey: throwaway.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  const serverName = `${Buffer.from(name).toString("hex")}.fsync.internal`;
  return { caPem: certificate.toString("pem") + "\n", serverName };
}

async function importPoint(point: Uint8Array): Promise<CryptoKey> {
  try {
    const raw = ECDH.convertKey(Buffer.from(point), CURVE, undefined, undefined, "uncompressed") as Buffer;
    return await crypto.subtle.importKey("raw", new Uint8Array(raw), ALGORITHM, true, ["verify"]);
  } catch {
    throw new IdentityError("Cannot use the invitation: the server's key in it is not a key");
  }
}

function pointOf(caPem: string): Uint8Array {
  try {
    const { x, y } = new X509Certificate(caPem).publicKey.export({ format: "jwk" });
    const parts = [x!, y!].map((part) => Buffer.from(part, "base64url"));
    const raw = Buffer.concat([Uint8Array.of(4), ...parts]);
    return new Uint8Array(ECDH.convertKey(raw, CURVE, undefined, undefined, "compressed") as Buffer);
  } catch {
    throw new IdentityError("Cannot use the server's CA: its key is none of ours");
  }
}
