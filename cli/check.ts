import { existsSync } from "@std/fs";
import type { TreeReport } from "../client/verify_tree.ts";
import { displayPath } from "../core/path.ts";
import type { StoreReport } from "../server/upkeep/check.ts";
import { isLocked, lockFolder } from "../system/folder_lock.ts";
import { openDisk } from "../system/real_disk.ts";
import { checkTree, forgetDamaged } from "./_check_tree.ts";
import type { Command, Context } from "./_command.ts";
import { EXIT, SetupError } from "./_exit.ts";
import { onInterrupt } from "./_interrupt.ts";
import { formatBytes, plural } from "./_output.ts";
import { DEFAULT_CLIENT_DIR, FolderBusy, openReplica } from "./_replica.ts";
import { askUpkeep, runCheck, withStore } from "./_upkeep.ts";

const DEFAULT_SERVER_DIR = "./server_files";

export const check: Command = {
  name: "check",
  summary: "verify every content and reference, and repair what can be",
  usage: "[DIR=./client_files] [--data ./server_files] [--repair]",
  about: [
    "Verifies every content by its checksum and every reference between records, contents and files. --repair brings back what is still somewhere else: in the plain tree, in the store, or on the server.",
  ],
  flags: [
    { name: "data", value: "DIR", help: "a server's directory: its store and its plain files" },
    { name: "repair", help: "bring back what is somewhere else: in the tree, in the store, on the server" },
    { name: "server", value: "HOST:PORT", help: "the server that a folder is repaired from" },
  ],
  example: "fsync check --data ./server_files --repair",
  words: { min: 0, max: 1 },
  run: runCheckCommand,
};

interface Line {
  readonly what: string;
  readonly path: string | null;
  readonly text: string;
  readonly versions: readonly string[];
  readonly repaired: boolean;
}

interface Report {
  readonly store: StoreReport | null;
  readonly tree: TreeReport;
  readonly lines: readonly Line[];
  readonly notes: readonly string[];
}

async function runCheckCommand(context: Context): Promise<number> {
  const root = rootOf(context);
  const repair = context.on("repair");
  const report = existsSync(`${root}/.fsync/server.db`)
    ? await checkServer(root, repair)
    : await checkClient(context, root, repair);
  return print(context, report);
}

function rootOf(context: Context): string {
  const given = context.value("data") ?? context.words[0];
  const dir = given ?? [DEFAULT_CLIENT_DIR, DEFAULT_SERVER_DIR].find((dir) => existsSync(`${dir}/.fsync`)) ??
    DEFAULT_CLIENT_DIR;
  if (existsSync(`${dir}/.fsync`)) return Deno.realPathSync(dir);
  throw new SetupError(
    "failed",
    `Cannot check "${dir}": it was never synced`,
    "name a folder: fsync check DIR",
  );
}

/** The running server checks its own store; the plain files are read beside it, and only without it repaired. */
async function checkServer(root: string, repair: boolean): Promise<Report> {
  const asked = await askUpkeep<StoreReport>(root, { do: "check", repair });
  if (asked !== null) {
    const tree = await checkTree(root, "plain.db", false);
    const notes = repair && tree.findings.length > 0
      ? ["the plain files can only be repaired while the server is stopped"]
      : [];
    return { store: asked, tree, lines: [...storeLines(asked), ...treeLines(tree, new Set(), "")], notes };
  }
  return await withStore(root, async (parts) => {
    const disk = openDisk(root);
    const store = await runCheck(parts, disk, { do: "check", repair }).finally(() => disk.close());
    const tree = await checkTree(root, "plain.db", true);
    const { forgotten, kept } = repair
      ? forgetDamaged(root, "plain.db", tree)
      : { forgotten: [], kept: null };
    const notes = forgotten.length > 0 ? ["the server puts the plain files back when it starts"] : [];
    if (kept !== null) notes.push(`the damaged bytes lie in ${kept}`);
    return { store, tree, lines: [...storeLines(store), ...treeLines(tree, new Set(forgotten), "")], notes };
  });
}

async function checkClient(context: Context, root: string, repair: boolean): Promise<Report> {
  const tree = await checkTree(root, "state.db", false);
  const hint = "--repair brings it from the server";
  if (!repair || tree.findings.length === 0) {
    return { store: null, tree, lines: treeLines(tree, new Set(), hint), notes: [] };
  }
  const { forgotten, kept } = withFolder(root, () => forgetDamaged(root, "state.db", tree));
  const interrupt = onInterrupt();
  const replica = openReplica(context, { root, role: "command", onEvent: () => {} });
  try {
    await replica.engine.pass(interrupt.signal);
    const again = new Set(replica.engine.status().problems.map(({ path }) => path));
    const back = forgotten.filter((path) => !again.has(path) && existsSync(`${root}/${path}`));
    const notes = kept === null ? [] : [`the damaged bytes lie in ${kept}`];
    return { store: null, tree, lines: treeLines(tree, new Set(back), ""), notes };
  } finally {
    interrupt.end();
    replica.close();
  }
}

/** @throws {FolderBusy} while a `watch` keeps it */
function withFolder<T>(root: string, work: () => T): T {
  const lock = lockFolder(root, "command");
  if (!isLocked(lock)) throw new FolderBusy(root, lock.heldBy);
  try {
    return work();
  } finally {
    lock.release();
  }
}

function storeLines({ findings }: StoreReport): Line[] {
  return findings.map(({ kind, text, versions, repaired }) => ({
    what: kind,
    path: null,
    text: kind === "content" ? `${versions.join(", ")}: ${text}` : text,
    versions,
    repaired,
  }));
}

const TREE_TEXTS = {
  damaged: "its bytes are not what was synced, though it looks untouched",
  missing: "it is missing",
  unreadable: "it cannot be read",
} as const;

function treeLines({ findings }: TreeReport, repaired: ReadonlySet<string>, hint: string): Line[] {
  return findings.map(({ path, what }) => ({
    what: "file",
    path,
    text: `${path}: ${TREE_TEXTS[what]}${hint === "" || what !== "damaged" ? "" : `; ${hint}`}`,
    versions: [],
    repaired: repaired.has(path),
  }));
}

function print(context: Context, { store, tree, lines, notes }: Report): number {
  const { output } = context;
  const left = lines.filter(({ repaired }) => !repaired).length;
  const result = left === 0 ? "ok" : "failed";
  const { files, bytes, changed } = tree;
  if (output.json) {
    const counts = store === null
      ? {}
      : { versions: store.versions, contents: store.contents, bytes: store.bytes };
    output.document({ result, ...counts, tree: { files, bytes, changed }, findings: lines, notes });
    return EXIT[result];
  }
  for (const { text, repaired } of lines) {
    output.line(`${repaired ? output.green("repaired") : output.red("damaged")}  ${displayPath(text)}`);
  }
  for (const note of notes) output.info(`note: ${displayPath(note)}`);
  const versions = store === null
    ? ""
    : `${plural(store.versions, "version")}, ${formatBytes(store.bytes)}; `;
  const verdict = lines.length === 0
    ? "all is well"
    : left === 0
    ? "all is repaired"
    : `${left} of them stay`;
  const found = lines.length === 0 ? "" : `${plural(lines.length, "finding")}, `;
  output.info(`Checked ${versions}${plural(files, "file")}, ${formatBytes(bytes)}: ${found}${verdict}.`);
  return EXIT[result];
}
