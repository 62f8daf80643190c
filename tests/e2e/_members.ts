/** Unix users without a name, some of them of one group, for tests that root runs: real processes under real permissions. */
import { fromFileUrl } from "@std/path";
import type { RunOptions } from "./_program.ts";
import type { World } from "./_world.ts";

/** Numbers that no real account has. */
export const GROUP = 61_000;
const FIRST_UID = 61_001;

const PROJECT = fromFileUrl(new URL("../../", import.meta.url));

/** One user with a home of their own, who hides what they create from everybody (umask 077). */
export class Member {
  readonly uid: number;
  readonly home: string;
  readonly #groups: string;

  constructor(world: World, number: number, groups: readonly number[]) {
    this.uid = FIRST_UID + number;
    this.home = world.path(`home${number}`);
    this.#groups = groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`;
    Deno.mkdirSync(this.home, { mode: 0o700 });
    Deno.chownSync(this.home, this.uid, this.uid);
  }

  get #identity(): string[] {
    return ["setpriv", `--reuid=${this.uid}`, `--regid=${this.uid}`, this.#groups];
  }

  /** To run the program as this user. What Deno has cached is shown to them in a mount of the process alone. */
  get options(): RunOptions {
    const cache = `${this.home}/deno`;
    const script = 'umask 077; mkdir -p "$1"; mount --bind "$0" "$1"; shift; exec "$@"';
    return {
      wrapper: ["unshare", "-m", "sh", "-ec", script, denoDir(), cache, ...this.#identity],
      env: {
        HOME: this.home,
        FSYNC_STATE_DIR: `${this.home}/state`,
        DENO_DIR: cache,
        USER: `user${this.uid}`,
      },
    };
  }

  /** Runs shell commands as this user, in `dir`. */
  async shell(line: string, dir: string): Promise<void> {
    const [file, ...args] = [...this.#identity, "sh", "-ec", `umask 077; cd "$0"; ${line}`, dir];
    const { success, stderr } = await new Deno.Command(file!, { args, stdin: "null" }).output();
    if (!success) throw new Error(`"${line}" failed: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Why there can be no such users here, or `null`. */
export function whyNoMembers(): string | null {
  if (Deno.uid() !== 0) return "only root can act as several users";
  const probe = ["unshare", "-m", "setpriv", `--reuid=${FIRST_UID}`, "--clear-groups", "true"];
  if (!succeeds(probe)) return "this sandbox lets root not act as another user";
  const reads = ["setpriv", `--reuid=${FIRST_UID}`, `--regid=${FIRST_UID}`, "--clear-groups"];
  // Tried by a shell, which has none of root's rights any more.
  if (!succeeds([...reads, "sh", "-c", 'cat "$0"', `${PROJECT}main.ts`])) {
    return "others may not read the checkout";
  }
  return null;
}

function succeeds([file, ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(file!, { args, stdin: "null", stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

let known: string | null = null;

function denoDir(): string {
  if (known !== null) return known;
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return known = (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}
