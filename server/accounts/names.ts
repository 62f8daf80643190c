/**
 * Names of users, groups and folders, and of devices.
 *
 * A name has 1 to 64 characters: letters and digits of any script, `.`, `_`, `-`, `@`. It begins with a letter, a digit
 * or `_`, so that it is never taken for a flag or a hidden file; it is composed (Unicode NFC) and has nothing invisible,
 * so that one name is not written in two ways. Upper and lower case are different, as they are for Linux.
 */
import { AccountError } from "./accounts.ts";

export const NAME_CHARS_MAX = 64;
const FIRST = /^(?!\p{DI})[\p{L}\p{N}_]$/u;
const REST = /^(?!\p{DI})[\p{L}\p{M}\p{N}._@-]$/u;
const HINT = "a name has letters, digits and ._-@, and begins with a letter, a digit or _";

/** What is wrong with a name, or `null`. */
export function nameFault(name: string): string | null {
  if (name === "") return "it is empty";
  const chars = [...name];
  if (chars.length > NAME_CHARS_MAX) return `it is longer than ${NAME_CHARS_MAX} characters`;
  if (!FIRST.test(chars[0]!)) return `it begins with "${chars[0]}"`;
  const wrong = chars.find((char) => !REST.test(char));
  if (wrong !== undefined) return `it contains "${wrong}"`;
  return name === name.normalize("NFC") ? null : "its accents are written apart from their letters";
}

/** @throws {AccountError} invalid */
export function checkName(what: "user" | "group" | "folder", name: string): void {
  const fault = nameFault(name);
  if (fault !== null) {
    throw new AccountError("invalid", `Cannot use "${name}" as the name of a ${what}: ${fault}`, HINT);
  }
}

/** The name of an account for whoever the operating system calls `raw`, e.g. `DOMAIN\ann`. */
export function accountName(raw: string): string {
  const chars = [...raw.normalize("NFC")].slice(0, NAME_CHARS_MAX).map((char) =>
    REST.test(char) ? char : "_"
  );
  if (chars.length === 0) return "owner";
  if (!FIRST.test(chars[0]!)) chars[0] = "_";
  return chars.join("");
}

/** A device names itself, so its name is made fit to stand in logs and tables: one line, nothing invisible. */
export function deviceName(raw: string): string {
  const text = raw.toWellFormed().normalize("NFC").replaceAll(/[\p{C}\p{Z}]+/gu, " ").trim();
  const name = [...text].slice(0, NAME_CHARS_MAX).join("").trim();
  return name === "" ? "device" : name;
}
