/** For whom: the one user who runs the command, or all users of the machine. */
import { isAbsolute, resolve } from "@std/path";
import type { Context, Flag } from "../_command.ts";
import { SetupError } from "../_exit.ts";
import { type Places, systemPlaces, userPlaces } from "./places.ts";

export const SCOPE_FLAGS: readonly Flag[] = [
  { name: "user", help: "for this user, below ~/.local (default, but for root)" },
  { name: "system", help: "for all users, below /usr/local; root's default" },
  { name: "bin-dir", value: "DIR", help: "another place for the program" },
];

/** Where things are installed. @throws {SetupError} if that is for root alone */
export function placesFor(context: Context): Places {
  const binDir = context.value("bin-dir");
  const bin = binDir === undefined ? undefined : resolve(binDir);
  const destDir = context.value("destdir");
  if (destDir !== undefined) {
    return systemPlaces(resolve(destDir), binDir !== undefined && isAbsolute(binDir) ? binDir : undefined);
  }
  const root = Deno.uid() === 0;
  const system = context.on("system") || (root && !context.on("user"));
  if (!system) return userPlaces(bin);
  if (root) return systemPlaces("", bin);
  const line = `sudo fsync ${context.command.name} --system`;
  throw new SetupError(
    "denied",
    `Cannot ${context.command.name} for all users: that is for root alone`,
    line,
  );
}
