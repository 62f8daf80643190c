/** Which folder of which server a directory belongs to, and as whom: what it remembers, and what may be said anew. */
import { CredentialError, readCredential } from "../client/credentials.ts";
import type { State, Where } from "../client/state.ts";
import type { Id } from "../protocol/messages.ts";
import { MAIN_FOLDER } from "../server/accounts/accounts.ts";
import { DEFAULT_PORT, formatAddress, parseAddress } from "../system/address.ts";
import { ExposedFileError } from "../system/private_file.ts";
import type { Context, Flag } from "./_command.ts";
import { SetupError } from "./_exit.ts";

export const FOLDER_FLAG: Flag = {
  name: "folder",
  value: "NAME",
  help: "the server's folder, for a directory that is new",
};

export interface ChosenWhere extends Where {
  /** To be called when a server has answered there, with the folder that it serves. */
  readonly reached: (folder: Id) => void;
}

/**
 * Where the folder of the directory at `root` is to be had: as the flags or the environment say, as it was, or (never
 * synced) as the configuration file says, or on this machine. It is remembered at once for a directory that is new, and
 * for one that was synced when the folder has been found there: a wrong address must not stay.
 *
 * @throws {AddressError | SetupError}
 */
export function chooseWhere(context: Context, root: string, state: State): ChosenWhere {
  const { server, folderName, credential, folder } = state.binding();
  const known = { server, folderName, credential };
  const where = chooseServer(context, known);
  const named = chooseFolder(context, root, state);
  const chosen = { ...where, folderName: named };
  const isNews = chosen.server !== server || chosen.folderName !== folderName ||
    chosen.credential !== credential;
  if (isNews && folder === null) state.write({ binding: chosen });
  let isOpen = isNews && folder !== null;
  const reached = (found: Id) => {
    if (isOpen && found === folder) state.write({ binding: chosen });
    isOpen = false;
  };
  return { ...chosen, reached };
}

function chooseServer(context: Context, known: Where): Where {
  const given = context.given("server") ?? (known.server === "" ? context.value("server") : undefined);
  const fallback = known.server === "" ? `localhost:${DEFAULT_PORT}` : known.server;
  const { host, port } = parseAddress(given ?? fallback);
  const server = formatAddress(host, port);
  if (server === known.server || known.credential === "") return { ...known, server };
  // The server has another address now: what it pinned still says whether it is the same.
  return { ...known, server, credential: hasCredential(server) ? "" : known.credential };
}

function hasCredential(server: string): boolean {
  try {
    return readCredential(server) !== null;
  } catch (error) {
    if (error instanceof CredentialError || error instanceof ExposedFileError) return false;
    throw error;
  }
}

function chooseFolder(context: Context, root: string, state: State): string {
  const { folder, folderName, server } = state.binding();
  const given = context.given("folder");
  if (given === undefined || given === folderName) return folderName;
  const known = folderName === "" ? MAIN_FOLDER : folderName;
  // A directory that was synced belongs to that folder: a name cannot change what it holds.
  if (folder === null || given === known) return folder === null ? given : folderName;
  throw new SetupError(
    "usage",
    `Cannot sync "${root}" with the folder "${given}": it belongs to the folder "${known}" of ${server}`,
    "use another directory for the other folder",
  );
}
