/** Who may come in. Devices hold random tokens; the server keeps only their SHA-256. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Id } from "../protocol/messages.ts";
import type { Accounts, Device, Membership } from "./accounts/accounts.ts";

/** Bytes of a device's token: as hard to guess as an AES-256 key. */
export const TOKEN_BYTES = 32;

const NO_DEVICE_HASH = createHash("sha256").update("no such device").digest();

/** What a device shows at the door. */
export interface Claim {
  readonly device: Id;
  readonly token: Uint8Array;
  /** Name of the folder that it wants. */
  readonly folder: string;
}

/** Who came in, and what it may do. */
export interface Admitted {
  readonly device: Device;
  readonly membership: Membership;
}

/**
 * The device that holds the token, with what its user may do in the folder. `null` for every reason to refuse alike: no
 * such device, another token, revoked, user disabled, no such folder, nothing allowed there. All of it is looked up each
 * time, so that each costs the same.
 */
export function authenticate(
  accounts: Pick<Accounts, "device" | "membership">,
  { device: id, token, folder }: Claim,
): Admitted | null {
  const device = accounts.device(id);
  const given = createHash("sha256").update(token).digest();
  const matches = timingSafeEqual(given, device?.tokenHash ?? NO_DEVICE_HASH);
  const membership = accounts.membership(device?.user ?? "", folder);
  const fits = matches && token.length === TOKEN_BYTES;
  if (device === null || membership === null || !fits || device.revoked) return null;
  return membership.rules.length > 0 ? { device, membership } : null;
}

/** The hash under which a token, or the secret of an invitation, is stored. */
export function tokenHash(token: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}
