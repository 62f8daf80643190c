/**
 * A server of ours that speaks the protocol over real TCP or TLS and does what an honest one does, unless a test tells it
 * otherwise: each answer can be replaced, by messages or by raw frames with every field free.
 */
import { singleChunkId } from "../../core/chunk.ts";
import type { Rule } from "../../core/access.ts";
import type { Entry } from "../../core/entry.ts";
import { parsePath, type SyncPath } from "../../core/path.ts";
import { packBlock, unpackBlock } from "../../protocol/block.ts";
import { decode, encode } from "../../protocol/codec.ts";
import { FRAME_BYTES_MAX } from "../../protocol/limits.ts";
import type { Message, MessageType, Notice, Upload, UploadResult, Welcome } from "../../protocol/messages.ts";

type Of<T extends MessageType> = Extract<Message, { type: T }>;
type Handler<T extends MessageType> = (talk: Talk, id: number, message: Of<T>) => void | Promise<void>;
type Handlers = { [T in MessageType]?: Handler<T> };

interface Head {
  readonly entry: Entry | null;
  readonly revision: number;
  readonly bytes: Uint8Array | null;
}

export interface HostileOptions {
  /** `null`: plain TCP. */
  readonly tls?: { readonly certPem: string; readonly keyPem: string } | null;
  /** 0: any free port. */
  readonly port?: number;
}

const AUTHOR = { user: "mallory", device: "lair" };

export class HostileServer implements AsyncDisposable {
  readonly port: number;
  /** What the Welcome says; may be changed. */
  welcome: Partial<Welcome> = {};
  rules: readonly Rule[] = [{ prefix: null, access: "write", history: true }];
  revision = 0;
  readonly heads = new Map<SyncPath, Head>();
  /** In the place of what an honest server does. */
  on: Handlers = {};
  /** Messages that clients sent. */
  readonly received: Message[] = [];
  /** All bytes that clients sent, as they came out of TCP or TLS. */
  readonly bytes: Uint8Array[] = [];
  connections = 0;
  /** What becomes of a frame on its way out. */
  tamper: ((frame: Uint8Array, talk: Talk) => Uint8Array) | null = null;
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #talks = new Set<Talk>();
  readonly #work = new Set<Promise<void>>();

  constructor({ tls = null, port = 0 }: HostileOptions = {}) {
    const at = { hostname: "127.0.0.1", port };
    this.#listener = tls === null
      ? Deno.listen(at)
      : Deno.listenTls({ ...at, cert: tls.certPem, key: tls.keyPem });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#spawn(this.#accept());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const talk of this.#talks) talk.close();
    await Promise.allSettled(this.#work);
  }

  /** Puts a small file there as an honest server would, with the directories above it. */
  put(path: string, text: string): void {
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const dir = parsePath(parts.slice(0, depth).join("/"));
      if (!this.heads.get(dir)?.entry) this.setHead(dir, { kind: "dir", mode: 0o755 }, null);
    }
    const bytes = new TextEncoder().encode(text);
    const entry = {
      kind: "file",
      size: bytes.length,
      mtime: 1000,
      mode: 0o644,
      content: singleChunkId(bytes),
    } as const;
    this.setHead(parsePath(path), entry, bytes);
  }

  setHead(path: SyncPath, entry: Entry | null, bytes: Uint8Array | null): number {
    this.heads.set(path, { entry, bytes, revision: ++this.revision });
    return this.revision;
  }

  /** Everybody who is connected. */
  get talks(): readonly Talk[] {
    return [...this.#talks];
  }

  #spawn(work: Promise<void>): void {
    const running = work.catch(() => {}).finally(() => this.#work.delete(running));
    this.#work.add(running);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.connections++;
      const talk: Talk = new Talk(conn, {
        note: (bytes) => void this.bytes.push(bytes.slice()),
        tamper: (frame) => this.tamper?.(frame, talk) ?? frame,
      });
      this.#talks.add(talk);
      this.#spawn(
        this.#serve(talk).finally(() => {
          this.#talks.delete(talk);
          talk.close();
        }),
      );
    }
  }

  async #serve(talk: Talk): Promise<void> {
    for (;;) {
      const frame = await talk.receive();
      if (frame === null) return;
      const { id, message } = decode(frame);
      this.received.push(message);
      const handler = this.on[message.type] as Handler<MessageType> | undefined;
      const answer = handler === undefined ? this.honest(talk, id, message) : handler(talk, id, message);
      // A handler that never ends must not keep the others from being asked.
      this.#spawn(Promise.resolve(answer));
    }
  }

  /** What an honest server does. */
  honest(talk: Talk, id: number, message: Message): void | Promise<void> {
    switch (message.type) {
      case "hello":
        return talk.send(0, this.#welcome());
      case "subscribe":
        return talk.send(id, this.listing(message.since));
      case "download": {
        const all = message.items.map(({ path, revision }) => {
          const head = this.heads.get(path);
          return head?.revision === revision ? head.bytes : null;
        });
        const parts = all.filter((bytes) => bytes !== null);
        const sizes = all.map((bytes) => bytes?.length ?? -1);
        return talk.send(id, { type: "contents", sizes, block: packBlock(parts), last: true });
      }
      case "upload":
        return talk.send(id, { type: "results", results: this.#take(message) }).then(() =>
          talk.send(0, { type: "changes", notices: [], upTo: this.revision, more: false, conflicts: 0 })
        );
      case "ping":
        return talk.send(id, { type: "pong" });
    }
  }

  #welcome(): Welcome {
    return {
      type: "welcome",
      version: 2,
      software: "hostile",
      folderName: "main",
      folder: "f".repeat(32),
      epoch: "e".repeat(32),
      head: this.revision,
      clock: Date.now(),
      user: "ann",
      deviceName: "laptop",
      view: "0".repeat(32),
      rules: this.rules,
      conflicts: 0,
      heartbeatMs: 15_000,
      ...this.welcome,
    };
  }

  /** All heads after `since`, on one page. */
  listing(since: number): Message {
    const notices = [...this.heads]
      .filter(([, { revision, entry }]) => revision > since && (since > 0 || entry !== null))
      .sort(([, a], [, b]) => a.revision - b.revision)
      .map(([path, { entry, revision }]): Notice =>
        entry === null
          ? { kind: "gone", path, revision, author: AUTHOR }
          : { kind: "set", path, revision, entry, from: null, author: AUTHOR }
      );
    return { type: "changes", notices, upTo: this.revision, more: false, conflicts: 0 };
  }

  #take({ items, block }: Upload): UploadResult[] {
    const raw = unpackBlock(block);
    let offset = 0;
    return items.map((item) => {
      if (item.op === "rename") return { status: "stale" };
      if (item.op === "delete") return { status: "ok", revision: this.setHead(item.path, null, null) };
      const size = item.source?.from === "inline" && item.entry.kind === "file" ? item.entry.size : 0;
      const bytes = raw.slice(offset, offset += size);
      return { status: "ok", revision: this.setHead(item.path, item.entry, bytes) };
    });
  }
}

interface TalkHooks {
  readonly note: (bytes: Uint8Array) => void;
  readonly tamper: (frame: Uint8Array) => Uint8Array;
}

/** One connection, from the server's side. */
export class Talk {
  readonly #conn: Deno.Conn;
  readonly #hooks: TalkHooks;
  readonly #end = Promise.withResolvers<void>();
  #sending: Promise<void> = Promise.resolve();
  #rest = new Uint8Array(0);

  constructor(conn: Deno.Conn, hooks: TalkHooks) {
    this.#conn = conn;
    this.#hooks = hooks;
  }

  /** A message as our codec writes it. */
  send(id: number, message: Message): Promise<void> {
    return this.frame(this.#hooks.tamper(encode({ id, message })));
  }

  /** Any bytes as a frame, with any length before them. */
  frame(bytes: Uint8Array, length = bytes.length): Promise<void> {
    const framed = new Uint8Array(4 + bytes.length);
    new DataView(framed.buffer).setUint32(0, length);
    framed.set(bytes, 4);
    return this.raw(framed);
  }

  /** Any bytes. Rejects when the client has hung up. */
  raw(bytes: Uint8Array): Promise<void> {
    const sent = this.#sending.then(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    });
    this.#sending = sent.catch(() => {});
    return sent;
  }

  async receive(): Promise<Uint8Array | null> {
    while (this.#rest.length < 4 || this.#rest.length < 4 + this.#length()) {
      if (this.#rest.length >= 4 && this.#length() > FRAME_BYTES_MAX) return null;
      const more = new Uint8Array(65_536);
      const count = await this.#conn.read(more);
      if (count === null) return null;
      this.#hooks.note(more.subarray(0, count));
      const joined = new Uint8Array(this.#rest.length + count);
      joined.set(this.#rest);
      joined.set(more.subarray(0, count), this.#rest.length);
      this.#rest = joined;
    }
    const end = 4 + this.#length();
    const frame = this.#rest.slice(4, end);
    this.#rest = this.#rest.slice(end);
    return frame;
  }

  #length(): number {
    return new DataView(this.#rest.buffer, this.#rest.byteOffset).getUint32(0);
  }

  /** Resolves when the connection was closed on this side. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  close(): void {
    this.#end.resolve();
    try {
      this.#conn.close();
    } catch {
      // The client was quicker.
    }
  }
}
