/**
 * How much room the history of a real package takes: 20 releases, each in place of the one before, in the store of a
 * server, in `restic` and in `borg`. Peers that are not installed are left out.
 *
 *     deno run -A scripts/bench_store.ts [PACKAGE] [RELEASES]
 */
import { fromFileUrl } from "@std/path";
import { RUN_FLAGS } from "./run_flags.ts";

const MAIN = fromFileUrl(new URL("../main.ts", import.meta.url));
const [name = "date-fns", releases = "20"] = Deno.args;

const place = Deno.makeTempDirSync({ prefix: "fsync-bench-store-" });
const client = `${place}/client_files`;
const env = {
  FSYNC_STATE_DIR: `${place}/state`,
  RESTIC_REPOSITORY: `${place}/restic`,
  RESTIC_PASSWORD: "bench",
  BORG_REPO: `${place}/borg`,
  BORG_BASE_DIR: `${place}/borg-home`,
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
};

async function run(file: string, args: readonly string[], cwd = place): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(file, { args: [...args], cwd, env }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${file} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

const fsync = (...args: string[]) => run(Deno.execPath(), ["run", ...RUN_FLAGS, MAIN, ...args]);

async function installed(file: string): Promise<boolean> {
  try {
    return (await new Deno.Command(file, { args: ["--help"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

async function newestReleases(): Promise<string[]> {
  const all: unknown = JSON.parse(await run("npm", ["view", name, "versions", "--json"]));
  if (!Array.isArray(all)) throw new Error(`${name} has no releases`);
  return all.map(String).filter((version) => !version.includes("-")).slice(-Number(releases));
}

/** Puts a release in the place of the one before. */
async function install(version: string): Promise<void> {
  const archive = (await run("npm", ["pack", "--silent", `${name}@${version}`])).trim().split("\n").at(-1)!;
  await run("tar", ["-xzf", archive]);
  Deno.mkdirSync(client, { recursive: true });
  for (const entry of Deno.readDirSync(client)) {
    if (entry.name !== ".fsync") Deno.removeSync(`${client}/${entry.name}`, { recursive: true });
  }
  await run("cp", ["-a", "package/.", client]);
  Deno.removeSync(`${place}/package`, { recursive: true });
  Deno.removeSync(`${place}/${archive}`);
}

interface Room {
  /** Bytes on disk. */
  readonly all: number;
  /** Of those, the bytes of files that have a second name elsewhere: in the plain tree. */
  readonly shared: number;
}

function room(dir: string): Room {
  let [all, shared] = [0, 0];
  for (const entry of Deno.readDirSync(dir)) {
    const path = `${dir}/${entry.name}`;
    if (entry.isDirectory) {
      const below = room(path);
      all += below.all;
      shared += below.shared;
      continue;
    }
    const info = Deno.lstatSync(path);
    const bytes = (info.blocks ?? 0) * 512;
    all += bytes;
    if ((info.nlink ?? 1) > 1) shared += bytes;
  }
  return { all, shared };
}

function show(what: string, bytes: number): void {
  console.log(`${what.padEnd(44)} ${(bytes / 1e6).toFixed(2).padStart(9)} MB`);
}

async function main(): Promise<void> {
  const peers = new Map([["restic", await installed("restic")], ["borg", await installed("borg")]]);
  if (peers.get("restic")) await run("restic", ["init"]);
  if (peers.get("borg")) await run("borg", ["init", "--encryption", "none"]);
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", ...RUN_FLAGS, MAIN, "server", "server_files", "--host", "127.0.0.1", "--port", "0"],
    cwd: place,
    env,
    stdout: "piped",
  }).spawn();
  const said = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const address = `localhost:${/:(\d+)/.exec((await said.read()).value ?? "")?.[1]}`;
  // A pipe that nobody reads stops the server.
  const drained = (async () => {
    while (!(await said.read()).done);
  })();
  let raw = 0;
  try {
    for (const version of await newestReleases()) {
      await install(version);
      raw += room(client).all - roomIfThere(`${client}/.fsync`);
      await fsync("sync-all", "client_files", "--server", address, "--approve-deletes");
      if (peers.get("restic")) await run("restic", ["backup", "--exclude", ".fsync", "."], client);
      if (peers.get("borg")) {
        await run("borg", ["create", "--exclude", ".fsync", `::${version}`, "."], client);
      }
      console.log(`${name} ${version}`);
    }
    const store = `${place}/server_files/.fsync`;
    const before = room(store);
    const began = performance.now();
    const report = await fsync("prune", "--data", "server_files");
    console.log(`${report.trim()} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    // A server that ends folds the journals of its databases.
    server.kill("SIGTERM");
    await server.status;
    const after = room(store);
    show("releases as they are", raw);
    show("fsync, as the uploads left it", before.all);
    show("fsync, .fsync", after.all);
    show("fsync, .fsync without what the tree shares", after.all - after.shared);
    for (const part of ["packs", "large"]) show(`  ${part}`, room(`${store}/${part}`).all);
    for (const part of ["server.db", "plain.db"]) show(`  ${part}`, Deno.statSync(`${store}/${part}`).size);
    for (const [peer, there] of peers) if (there) show(peer, room(`${place}/${peer}`).all);
  } finally {
    try {
      server.kill("SIGTERM");
    } catch {
      // It ended before.
    }
    await server.status;
    await drained;
    await run("chmod", ["-R", "u+w", place]);
    Deno.removeSync(place, { recursive: true });
  }
}

function roomIfThere(dir: string): number {
  try {
    return room(dir).all;
  } catch {
    return 0;
  }
}

await main();
