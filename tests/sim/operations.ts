/** What users do, one small function for each kind. What is impossible at the moment is left out. */
import { SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import { RULES_NAME } from "../../core/ignore.ts";
import type { SyncPath } from "../../core/path.ts";
import type { UserSide } from "../fakes/user_side.ts";
import { token } from "./contents.ts";
import type { Operation, SimStep } from "./generate.ts";
import { S, type World } from "./world.ts";

interface Act {
  readonly w: World;
  readonly step: SimStep;
  readonly user: UserSide;
  readonly author: string;
}

/** Carries `step` out; a user's program that fails has changed nothing, or what it changed counts. */
export function operate(w: World, step: SimStep): void {
  const author = w.machine(step.actor).name;
  w.act(step.actor, (user) => {
    try {
      DO[step.do as Operation]({ w, step, user, author });
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
    }
  });
}

const DO: Record<Operation, (act: Act) => void> = {
  write: (act) => overwrite(act, act.step.path, fresh(act, act.step.n)),
  append: (act) => {
    const path = pick(act, "file");
    if (path === null) return;
    const bytes = fresh(act, Math.min(act.step.n, 4096));
    if (isShared(act, path)) return save(act.user, path, concat(act.user.read(path), bytes));
    act.user.append(path, bytes);
  },
  patch: (act) => {
    const path = pick(act, "file");
    if (path === null) return;
    const before = act.user.read(path);
    if (before.length === 0) return;
    const bytes = fresh(act, 40).subarray(0, Math.min(40, before.length));
    const offset = act.step.n % (before.length - bytes.length + 1);
    if (!isShared(act, path)) return act.user.patch(path, offset, bytes);
    before.set(bytes, offset);
    save(act.user, path, before);
  },
  save: (act) => {
    makeParents(act, act.step.path);
    save(act.user, act.step.path, fresh(act, act.step.n));
  },
  delete: (act) => {
    const path = pick(act, "file") ?? pick(act, "link");
    if (path !== null) act.user.remove(path);
  },
  rename: (act) => {
    const path = pick(act, "file");
    if (path === null) return;
    makeParents(act, act.step.to);
    act.user.rename(path, act.step.to);
  },
  moveDir: (act) => {
    const path = pick(act, "dir");
    if (path === null) return;
    if (!act.step.to.startsWith(`${path}/`)) makeParents(act, act.step.to);
    act.user.rename(path, act.step.to);
  },
  caseRename: (act) => {
    const path = pick(act, "file") ?? pick(act, "dir");
    if (path === null) return;
    const at = path.lastIndexOf("/") + 1;
    const name = path.slice(at);
    const other = name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase();
    const to = path.slice(0, at) + other;
    if (!act.user.exists(to)) act.user.rename(path, to);
  },
  mkdir: ({ user, step }) => user.mkdir(step.path),
  removeTree: (act) => {
    const path = pick(act, "dir");
    if (path !== null) act.user.removeTree(path);
  },
  changeKind: (act) => {
    const path = pick(act, act.step.n % 2 === 0 ? "file" : "dir");
    if (path === null) return;
    act.user.removeTree(path);
    if (act.step.n % 2 === 1) return act.user.write(path, fresh(act, 64));
    act.user.mkdir(path);
    if (act.step.n % 4 === 0) act.user.write(`${path}/b`, fresh(act, 64));
  },
  symlink: (act) => {
    const { user, step } = act;
    if (user.exists(step.path)) user.remove(step.path);
    makeParents(act, step.path);
    user.symlink(step.n % 3 === 0 ? "../out" : step.to, step.path);
  },
  chmod: (act) => {
    const path = pick(act, act.step.n % 3 === 0 ? "dir" : "file");
    if (path !== null) act.user.chmod(path, [0o755, 0o644, 0o600, 0o700][act.step.n % 4]!);
  },
  touch: (act) => {
    const path = pick(act, "file");
    if (path !== null) act.user.touch(path, act.w.machine(act.step.actor).clock.now());
  },
  touchBack: (act) => {
    const path = pick(act, "file");
    // Years ago, before 1970, in a far future.
    if (path !== null) act.user.touch(path, [1e9, -5000, 4e12, 1e12][act.step.n % 4]! + act.step.n);
  },
  swap: (act) => {
    const [one, other] = [
      pick(act, "file"),
      pick({ ...act, step: { ...act.step, n: act.step.n + 1 } }, "file"),
    ];
    if (one === null || other === null || one === other) return;
    // Too large for rules, it would keep its directory from being synced at all.
    if (isRules(one) || isRules(other)) return;
    const between = `${one}.tmp`;
    if (act.user.exists(between) || between.length > 200) return;
    act.user.rename(one, between);
    act.user.rename(other, one);
    act.user.rename(between, other);
  },
  copy: (act) => {
    const path = pick(act, "file");
    if (path !== null) overwrite(act, act.step.to, act.user.read(path));
  },
  sameAsOther: (act) => {
    // Two people save the same bytes under the same name.
    const other = act.w.clients[act.step.n % act.w.clients.length]!.disk.user;
    const files = [...other.tree()].filter(([, { kind }]) => kind === "file").map(([path]) => path);
    const path = files[act.step.n % Math.max(1, files.length)];
    if (path !== undefined) overwrite(act, path, other.read(path));
  },
  quietEdit: (act) => {
    // Other bytes of the same number, and the old time put back.
    const path = pick(act, "file");
    if (path === null || isShared(act, path)) return;
    const { bytes, mtime } = act.user.tree().get(path)!;
    if (bytes!.length === 0 || isFresh(act, path)) return;
    act.user.patch(path, 0, fresh(act, 0).subarray(0, bytes!.length));
    act.user.touch(path, mtime!);
  },
  many: (act) => {
    for (let i = 0; i < 34; i++) overwrite(act, `${act.step.path}/${i}`, fresh(act, 64));
  },
  ignore: (act) => {
    const file = act.step.path === "" ? RULES_NAME : `${act.step.path}/${RULES_NAME}`;
    const text = `# ${act.author} ${act.w.ledger.next()}\n${act.step.to}\n`;
    makeParents(act, file);
    if (act.step.n % 3 === 0) save(act.user, file, new TextEncoder().encode(text));
    else act.user.write(file, text);
  },
  unignore: ({ user, step }) => {
    const files = [...user.tree()].filter(([path, { kind }]) => isRules(path) && kind === "file");
    const file = files[step.n % Math.max(1, files.length)];
    if (file !== undefined) user.remove(file[0]);
  },
  wipe: (act) => {
    const files = [...act.user.tree()].filter(([, { kind }]) => kind !== "dir").map(([path]) => path);
    if (files.length >= 30) { for (const path of files.slice(1)) act.user.remove(path); }
  },
};

function isRules(path: string): boolean {
  return path === RULES_NAME || path.endsWith(`/${RULES_NAME}`);
}

function fresh({ w, author }: Act, size: number): Uint8Array {
  return token(author, w.ledger.next(), size);
}

/** Something of this kind: `step.path` if it is one, else whichever `step.n` says. */
function pick({ user, step }: Act, kind: string): string | null {
  const all = [...user.tree()].filter(([, thing]) => thing.kind === kind).map(([path]) => path);
  if (all.includes(step.path)) return step.path;
  return all.sort()[step.n % Math.max(1, all.length)] ?? null;
}

function overwrite(act: Act, path: string, bytes: Uint8Array): void {
  makeParents(act, path);
  if (isShared(act, path)) return save(act.user, path, bytes);
  act.user.write(path, bytes);
}

function makeParents({ user }: Act, path: string): void {
  const slash = path.lastIndexOf("/");
  if (slash > 0) user.mkdir(path.slice(0, slash));
}

/** A large file of the server's plain tree is also the version in the history, so it is not written in place. */
function isShared({ user, step }: Act, path: string): boolean {
  if (step.actor !== S) return false;
  const there = user.tree().get(path);
  return there?.kind === "file" && there.bytes!.length > SINGLE_CHUNK_MAX;
}

/** Whether a change within this tick of the disk's times would not show in them. */
function isFresh({ w, step }: Act, path: string): boolean {
  const { disk, clock } = w.machine(step.actor);
  return clock.now() * 1000 - disk.stat(path as SyncPath)!.ctimeUs < disk.racyWindowUs;
}

/** As editors save: a complete file, then one rename. */
function save(user: UserSide, path: string, bytes: Uint8Array): void {
  const slash = path.lastIndexOf("/") + 1;
  const temporary = `${path.slice(0, slash)}.save`;
  user.write(temporary, bytes);
  try {
    user.rename(temporary, path);
  } catch (error) {
    user.remove(temporary);
    throw error;
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
