/**
 * Where fsync keeps what belongs to the user and not to one folder. `FSYNC_STATE_DIR` takes the place of all three.
 * The functions only name a directory; whoever writes makes it, by `makePrivateDir`.
 */
import { homedir } from "node:os";
import { isAbsolute, resolve } from "@std/path";

/** Reads one environment variable. */
export type Environment = (name: string) => string | undefined;

const processEnvironment: Environment = (name) => Deno.env.get(name);

/** Configuration files. */
export function configDir(env: Environment = processEnvironment): string {
  return override(env) ?? `${configHome(env)}/fsync`;
}

/** Credentials. */
export function stateDir(env: Environment = processEnvironment): string {
  return override(env) ?? `${xdg(env, "XDG_STATE_HOME") ?? `${home(env)}/.local/state`}/fsync`;
}

/**
 * Sockets. Cron sets no `XDG_RUNTIME_DIR`, so the place that a login session would name is tried too, and the state
 * directory is the last resort.
 */
export function runtimeDir(env: Environment = processEnvironment): string {
  const base = sessionDir(env);
  return override(env) ?? (base === null ? `${stateDir(env)}/run` : `${base}/fsync`);
}

/** Where a login session keeps its sockets, those of the user's service manager too; `null` without a session. */
export function sessionDir(env: Environment = processEnvironment): string | null {
  return xdg(env, "XDG_RUNTIME_DIR") ?? ownRunDir();
}

/** Below this systemd makes a directory of sockets for each service of the system. Only root can put one there. */
const SERVICES_DIR = "/run/fsync";

/** Where sockets that this user may reach can be: the user's own directory, and those of the user's services. */
export function runtimeDirs(
  env: Environment = processEnvironment,
  services: string = SERVICES_DIR,
): string[] {
  const own = runtimeDir(env);
  if (override(env) !== null) return [own];
  return [own, ...namesIn(services).map((name) => `${services}/${name}/fsync`).filter(isReachable)];
}

/**
 * Credentials that servers leave for a Unix group of their machine. Only root can make it there, so whoever it belongs
 * to was chosen by root. `FSYNC_SHARED_DIR` names another place.
 */
export function sharedDir(env: Environment = processEnvironment): string {
  const dir = env("FSYNC_SHARED_DIR");
  return dir ? resolve(dir) : "/var/lib/fsync";
}

function override(env: Environment): string | null {
  const dir = env("FSYNC_STATE_DIR");
  return dir ? resolve(dir) : null;
}

/** The XDG specification has relative paths ignored. */
function xdg(env: Environment, name: string): string | null {
  const dir = env(name);
  return dir && isAbsolute(dir) ? resolve(dir) : null;
}

/** Configuration of all programs of the user. */
export function configHome(env: Environment = processEnvironment): string {
  return xdg(env, "XDG_CONFIG_HOME") ?? `${home(env)}/.config`;
}

/** What programs of the user have installed. */
export function dataHome(env: Environment = processEnvironment): string {
  return xdg(env, "XDG_DATA_HOME") ?? `${home(env)}/.local/share`;
}

/** What programs of the user can make again. */
export function cacheHome(env: Environment = processEnvironment): string {
  return xdg(env, "XDG_CACHE_HOME") ?? `${home(env)}/.cache`;
}

/** The user's home directory. */
export function home(env: Environment = processEnvironment): string {
  return xdg(env, "HOME") ?? homedir();
}

function ownRunDir(): string | null {
  const uid = Deno.uid();
  const dir = `/run/user/${uid}`;
  try {
    const { isDirectory, uid: owner } = Deno.lstatSync(dir);
    return isDirectory && owner === uid ? dir : null;
  } catch {
    return null;
  }
}

function isReachable(dir: string): boolean {
  const self = Deno.uid();
  try {
    return self === 0 || Deno.lstatSync(dir).uid === self;
  } catch {
    return false;
  }
}

function namesIn(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map(({ name }) => name);
  } catch {
    // Not there: then no service of the system runs.
    return [];
  }
}
