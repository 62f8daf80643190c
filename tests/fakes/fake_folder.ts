/**
 * A folder of a server in a few lines, for tests of a client: heads, and who sees and may write what. It believes
 * every base and knows no conflicts; `tests/sim` has the real server.
 */
import type { Rule } from "../../core/access.ts";
import { type ContentId, type Entry, sameEntry } from "../../core/entry.ts";
import { singleChunkId } from "../../core/chunk.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import { RemoteError } from "../../protocol/errors.ts";
import type { Changes, Notice, UploadItem, UploadResult, Welcome } from "../../protocol/messages.ts";
import type { Connector, Remote, UploadRequest } from "../../protocol/remote.ts";

interface FakeHead {
  readonly entry: Entry | null;
  readonly revision: number;
  readonly bytes: Uint8Array | null;
}

interface FakeSession {
  readonly tell: (changes: Changes) => void;
  readonly end: (reason: Error) => void;
}

const AUTHOR = { user: "server", device: "desk" };

export const MAY_WRITE: Rule = { prefix: null, access: "write", history: true };
export const MAY_READ: Rule = { prefix: null, access: "read", history: false };

export class FakeFolder {
  revision = 0;
  rules: readonly Rule[] = [MAY_WRITE];
  view = "1".repeat(32);
  /** What this user sees. */
  sees: (path: SyncPath) => boolean = () => true;
  /** What the server forbids beyond the rules that it tells. */
  forbids: (path: SyncPath) => boolean = () => false;
  /** Called before each page of a listing. */
  onPage: () => void = () => {};
  /** `since` of each subscription. */
  readonly subscribed: number[] = [];
  readonly uploaded: string[] = [];
  readonly #heads = new Map<SyncPath, FakeHead>();
  readonly #sessions = new Set<FakeSession>();

  /** Somebody else puts a file there, with the directories above. */
  put(path: string, text: string): void {
    const bytes = new TextEncoder().encode(text);
    const entry = { kind: "file", size: bytes.length, mtime: 1000, mode: 0o644 } as const;
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const dir = parsePath(path.slice(0, slash));
      if (!this.#heads.get(dir)?.entry) this.#set(dir, { kind: "dir", mode: 0o755 }, null, true);
    }
    this.#set(parsePath(path), { ...entry, content: singleChunkId(bytes) as ContentId }, bytes, true);
  }

  /** Somebody else deletes it. */
  remove(path: string): void {
    this.#set(parsePath(path), null, null, true);
  }

  /** What stands there, as text; `null`: nothing. */
  text(path: string): string | null {
    const bytes = this.#heads.get(parsePath(path))?.bytes ?? null;
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  /** This user's rights change: everybody has to come again. */
  regrant(change: Partial<Pick<FakeFolder, "rules" | "sees" | "forbids">>, view: string): void {
    Object.assign(this, change);
    this.view = view.repeat(32);
    for (const { end } of [...this.#sessions]) end(new RemoteError("closing", "your rights have changed"));
  }

  #set(path: SyncPath, entry: Entry | null, bytes: Uint8Array | null, tell: boolean): number {
    this.#heads.set(path, { entry, bytes, revision: ++this.revision });
    if (!tell || !this.sees(path)) return this.revision;
    for (const { tell } of this.#sessions) tell(this.#page([this.#notice(path)]));
    return this.revision;
  }

  #notice(path: SyncPath): Notice {
    const { entry, revision } = this.#heads.get(path)!;
    return entry === null
      ? { kind: "gone", path, revision, author: AUTHOR }
      : { kind: "set", path, revision, entry, from: null, author: AUTHOR };
  }

  #page(notices: readonly Notice[]): Changes {
    return { type: "changes", notices, upTo: this.revision, more: false, conflicts: 0 };
  }

  connector(): Connector {
    return { connect: () => Promise.resolve(this.#connect()) };
  }

  #connect(): Remote {
    const { promise: closed, resolve } = Promise.withResolvers<Error>();
    let session: FakeSession | null = null;
    const end = (reason: Error) => {
      if (session !== null) this.#sessions.delete(session);
      resolve(reason);
    };
    return {
      welcome: this.#welcome(),
      closed,
      close: () => end(new Error("closed here")),
      subscribe: (since, live, onChanges) => {
        this.subscribed.push(since);
        this.onPage();
        const known = [...this.#heads].filter(([path, head]) =>
          head.revision > since && this.sees(path) && (since > 0 || head.entry !== null)
        ).sort(([, a], [, b]) => a.revision - b.revision);
        const done = Promise.resolve(onChanges(this.#page(known.map(([path]) => this.#notice(path)))));
        if (live) this.#sessions.add(session = { tell: (changes) => void onChanges(changes), end });
        return done;
      },
      upload: (batch) => Promise.resolve(batch.map((request) => this.#accept(request))),
      download: (items, onContent) => {
        for (const [i, { path, revision }] of items.entries()) {
          const head = this.#heads.get(path);
          onContent(i, head?.revision === revision && this.sees(path) ? head.bytes : null);
        }
        return Promise.resolve();
      },
      stage: () => Promise.reject(new Error("no large contents here")),
      fetch: () => Promise.reject(new Error("no large contents here")),
    };
  }

  #welcome(): Welcome {
    return {
      type: "welcome",
      version: 2,
      software: "fake",
      folderName: "main",
      folder: "f".repeat(32),
      epoch: "e".repeat(32),
      head: this.revision,
      clock: 0,
      user: "bob",
      deviceName: "laptop",
      view: this.view,
      rules: this.rules,
      conflicts: 0,
      heartbeatMs: 15_000,
    };
  }

  #accept({ item, bytes }: UploadRequest): UploadResult {
    const path = item.op === "rename" ? item.to : item.path;
    this.uploaded.push(`${item.op} ${path}`);
    if (this.forbids(path) || (item.op === "rename" && this.forbids(item.from))) {
      return { status: "error", code: "forbidden", message: "you may not" };
    }
    if (item.op === "rename") return { status: "stale" };
    const head = this.#heads.get(path);
    const entry = item.op === "put" ? item.entry : null;
    if (sameEntry(head?.entry ?? null, entry)) {
      return { status: "skip", revision: head?.revision ?? 0, entry };
    }
    return { status: "ok", revision: this.#set(path, entry, bytes ?? this.#bytesOf(item), false) };
  }

  #bytesOf(item: UploadItem): Uint8Array | null {
    if (item.op !== "put" || item.source?.from !== "version") return null;
    return this.#heads.get(item.source.path)?.bytes ?? null;
  }
}
