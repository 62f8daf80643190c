/** Lets the server's own Unix user in without any set-up: a credential lies in the user's state directory. */
import { type Credential, readCredential, writeCredential } from "../client/credentials.ts";
import type { Id } from "../protocol/messages.ts";
import { type Accounts, MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { authenticate, TOKEN_BYTES, tokenHash } from "../server/auth.ts";
import { formatAddress } from "../system/address.ts";
import { systemRandom } from "../system/random.ts";
import { ownerName } from "./_user.ts";

export interface LocalServer {
  readonly accounts: Accounts;
  readonly port: number;
  /** `null` without TLS. */
  readonly caPem: string | null;
  /** Identity of the main folder. */
  readonly folder: Id;
}

/**
 * Leaves a credential for the server on `port` of this machine, if there is none that is good.
 *
 * @returns the device that was made for it, `null` if there was one
 */
export function leaveCredential({ accounts, port, caPem, folder }: LocalServer): Id | null {
  const server = formatAddress("localhost", port);
  const tls = caPem === null ? null : { caPem };
  const known = usableCredential(server);
  if (known !== null && known.folder === folder && isGood(accounts, known)) {
    if ((known.tls?.caPem ?? null) !== caPem) writeCredential({ ...known, tls }, { at: server });
    return null;
  }
  const token = systemRandom.bytes(TOKEN_BYTES);
  const device = systemRandom.bytes(16).toHex();
  const user = ownerName();
  accounts.addDevice({ id: device, name: Deno.hostname(), user, tokenHash: tokenHash(token) });
  writeCredential({ server, tls, device, token: encodeToken(token), user, folder }, { at: server });
  return device;
}

function isGood(accounts: Accounts, { device, token }: Credential): boolean {
  return authenticate(accounts, { device, token: decodeToken(token), folder: MAIN_FOLDER }) !== null;
}

function usableCredential(server: string): Credential | null {
  try {
    return readCredential(server);
  } catch {
    // Damaged or readable by others: a new one takes its place.
    return null;
  }
}

function encodeToken(token: Uint8Array): string {
  return token.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decodeToken(text: string): Uint8Array {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}
