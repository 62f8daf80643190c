/** Who may come in. Devices hold random tokens; the server keeps only their SHA-256. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Id } from "../protocol/messages.ts";
import type { Device, Records } from "./store/records.ts";

/** Bytes of a device's token: as hard to guess as an AES-256 key. */
export const TOKEN_BYTES = 32;

const NO_DEVICE_HASH = createHash("sha256").update("no such device").digest();

/** The device that holds `token`, or `null`; an unknown device costs the same time as a wrong token. */
export function authenticate(records: Records, id: Id, token: Uint8Array): Device | null {
  const device = records.device(id);
  const expected = device?.tokenHash ?? NO_DEVICE_HASH;
  const given = createHash("sha256").update(token).digest();
  const matches = timingSafeEqual(given, expected);
  return device !== null && matches && !device.revoked && token.length === TOKEN_BYTES ? device : null;
}

/** The hash under which a token is stored. */
export function tokenHash(token: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}
