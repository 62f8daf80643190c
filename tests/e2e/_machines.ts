/** Two machines with a network of their own between them, as far as the programs on them can tell: network namespaces. */
import type { RunOptions } from "./_program.ts";
import type { World } from "./_world.ts";

const PROBE = `fsync-probe-${Deno.pid}`;

/** Why there can be no such machines here, or `null`. */
export function whyNoMachines(): string | null {
  if (Deno.uid() !== 0) return "only root can make networks";
  if (!succeeds(["ip", "-V"])) return "there is no ip (iproute2)";
  if (!succeeds(["ip", "netns", "add", PROBE])) return "this sandbox lets root make no network";
  const veth = ["ip", "-n", PROBE, "link", "add", "end0", "type", "veth", "peer", "name", "end1"];
  const possible = succeeds(veth) && succeeds(["ip", "netns", "exec", PROBE, "true"]);
  succeeds(["ip", "netns", "del", PROBE]);
  return possible ? null : "this sandbox lets root make no network between two machines";
}

/** A cable, and the machines at its ends, `server` and `client`. */
export class Machines implements Disposable {
  readonly address = "10.203.0.1";
  readonly #names = { server: `fsync-s-${Deno.pid}`, client: `fsync-c-${Deno.pid}` };

  constructor() {
    const { server, client } = this.#names;
    try {
      for (const name of [server, client]) ip("netns", "add", name);
      ip("-n", server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", client);
      ip("-n", server, "address", "add", `${this.address}/24`, "dev", "cable");
      ip("-n", client, "address", "add", "10.203.0.2/24", "dev", "cable");
      for (const name of [server, client]) {
        for (const link of ["lo", "cable"]) ip("-n", name, "link", "set", link, "up");
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** To run a program on a machine. */
  on(machine: "server" | "client", world: World, user: string): RunOptions {
    const env = { USER: user, FSYNC_STATE_DIR: world.path(`state-${user}`) };
    return { wrapper: ["ip", "netns", "exec", this.#names[machine]], env };
  }

  /** Pulls the cable out, or puts it in again. */
  cable(state: "up" | "down"): void {
    ip("-n", this.#names.client, "link", "set", "cable", state);
  }

  [Symbol.dispose](): void {
    for (const name of Object.values(this.#names)) succeeds(["ip", "netns", "del", name]);
  }
}

function ip(...args: readonly string[]): void {
  const { success, stderr } = new Deno.Command("ip", { args: [...args] }).outputSync();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

function succeeds([file, ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(file!, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
