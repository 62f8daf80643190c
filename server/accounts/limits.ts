/** How many there may be of each, so that nothing in the accounts grows without end; each with its reason. */
import { RULES_MAX } from "../../protocol/limits.ts";

/** All of them are held in memory, some hundred bytes each. */
export const USERS_MAX = 10_000;
export const GROUPS_MAX = 1_000;
/** Each open folder of a running server costs file descriptors, caches and a watched tree. */
export const FOLDERS_MAX = 100;
/** Devices that are kept of one user. Of those that were revoked, the oldest is forgotten to make room. */
export const DEVICES_MAX = 200;
/** Invitations that wait: a guess has a chance of this many in 2^128. */
export const INVITATIONS_OPEN_MAX = 1_000;
/** Prefixes with a rule for one user in one folder, by its own grants and its groups': they are told in one message. */
export const USER_RULES_MAX = RULES_MAX;
/** Grants of one folder. */
export const GRANTS_MAX = 20_000;
/** An invitation that is over can still be listed for this long, ms. */
export const INVITATION_KEPT_MS = 30 * 86_400_000;
/** An invitation is valid for at most this long, ms. */
export const INVITATION_MS_MAX = 365 * 86_400_000;
/** {@link Device.lastSeen} is kept to this, ms, so that a sign-in seldom is a write. */
export const SEEN_MS = 3_600_000;
