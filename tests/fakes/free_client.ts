/** A client in memory that asks whatever a test wants, of a real session, and remembers all that it was sent. */
import { type Access, Rights } from "../../core/access.ts";
import { digestHex, SINGLE_CHUNK_MAX } from "../../core/chunk.ts";
import type { ContentId, FileEntry } from "../../core/entry.ts";
import { parsePath } from "../../core/path.ts";
import { packBlock, unpackBlock } from "../../protocol/block.ts";
import { decode, encode } from "../../protocol/codec.ts";
import { dataMessages } from "../../protocol/data_stream.ts";
import type {
  Changes,
  ContentSource,
  ErrorMessage,
  Message,
  Staged,
  UploadItem,
  UploadResult,
} from "../../protocol/messages.ts";
import type { Caller, Quota } from "../../server/caller.ts";
import { Folder } from "../../server/folder.ts";
import { Session } from "../../server/session.ts";
import type { Contents } from "../../server/store/contents.ts";
import type { Records } from "../../server/store/records.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import type { Link } from "../../system/link.ts";
import { type Large, large } from "../conformance/contents_suite.ts";
import { MemContents } from "./mem_contents.ts";
import { memLinkPair } from "./mem_link.ts";
import { MemRecords } from "./mem_records.ts";
import { SeededRandom } from "./seeded_random.ts";

export interface FreeClientOptions {
  readonly folder: Folder;
  readonly user: string;
  readonly rights: Rights | (() => Rights);
  readonly quota?: Quota;
}

let replicas = 0;

/** An upload item, with the bytes that it sends inline. */
export interface Sent {
  readonly item: UploadItem;
  readonly bytes?: Uint8Array;
}

export class FreeClient implements AsyncDisposable {
  readonly caller: Caller;
  /** Every frame that came, as it came. */
  readonly frames: Uint8Array[] = [];
  /** What nobody asked for. */
  readonly news: Message[] = [];
  readonly #link: Link;
  readonly #ended: Promise<string>;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #nextId = 1;

  constructor({ folder, user, rights, quota }: FreeClientOptions) {
    const replica = String(++replicas).padStart(32, "0");
    const actor = { user, device: `${user}'s device`, replica, clockOffset: 0 };
    const asked = typeof rights === "function" ? rights : () => rights;
    this.caller = { actor, rights: asked, ...quota && { quota } };
    const wire = memLinkPair({});
    const onBug = (error: unknown) => {
      throw error;
    };
    const session = new Session(wire.b, { folder, clock: systemClock, caller: this.caller, onBug });
    wire.b.frameMax = wire.a.frameMax = 2 ** 23;
    this.#link = wire.a;
    this.#ended = session.run();
    void this.#receive();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @returns why the session ended */
  async close(): Promise<string> {
    this.#link.close();
    return await this.#ended;
  }

  async #receive(): Promise<void> {
    for (;;) {
      const frame = await this.#link.receive().catch(() => null);
      if (frame === null) return;
      this.frames.push(frame.slice());
      const { id, message } = decode(frame);
      if (id === 0) this.news.push(message);
      else this.#waiting.get(id)?.(message);
    }
  }

  /** Sends a request; `take` gets its answers until one is the last. */
  ask(message: Message, isLast: (answer: Message) => boolean = () => true): Promise<Message[]> {
    const id = this.#nextId++;
    const answers: Message[] = [];
    return new Promise((resolve) => {
      this.#waiting.set(id, (answer) => {
        answers.push(answer);
        if (answer.type !== "error" && !isLast(answer)) return;
        this.#waiting.delete(id);
        resolve(answers);
      });
      void this.#link.send(encode({ id, message }));
    });
  }

  async one<T extends Message["type"]>(
    message: Message,
    type: T,
  ): Promise<Extract<Message, { type: T }> | ErrorMessage> {
    const [answer] = await this.ask(message);
    if (answer?.type !== type && answer?.type !== "error") throw new Error(`answered ${answer?.type}`);
    return answer as Extract<Message, { type: T }>;
  }

  /** All notices of a listing. */
  async list(since = 0, live = false): Promise<Changes[]> {
    const answers = await this.ask(
      { type: "subscribe", since, live },
      (answer) => answer.type === "changes" && !answer.more,
    );
    return answers as Changes[];
  }

  async upload(...sent: Sent[]): Promise<readonly UploadResult[]> {
    const block = packBlock(sent.flatMap(({ bytes }) => bytes ?? []));
    const answer = await this.one({ type: "upload", items: sent.map(({ item }) => item), block }, "results");
    if (answer.type === "error") throw new Error(answer.message);
    return answer.results;
  }

  /** The revision that a new version of a file got. */
  async write(path: string, text: string, base = 0): Promise<number> {
    const [result] = await this.upload(fileOf(path, text, base));
    if (result?.status !== "ok") throw new Error(`${path}: ${JSON.stringify(result)}`);
    return result.revision;
  }

  async mkdir(...paths: string[]): Promise<void> {
    await this.upload(...paths.map(dirOf));
  }

  /** The bytes of a small file, or `null`. */
  async read(path: string, revision: number): Promise<string | null> {
    const answer = await this.one(
      { type: "download", items: [{ path: parsePath(path), revision }] },
      "contents",
    );
    if (answer.type === "error") throw new Error(answer.message);
    return answer.sizes[0]! < 0 ? null : new TextDecoder().decode(unpackBlock(answer.block));
  }

  /** Announces a large content. @returns the request's id, and what the server has of it */
  async stage(
    content: Large,
    base: { readonly path: string; readonly revision: number } | null = null,
  ): Promise<{ id: number; staged: Staged | ErrorMessage }> {
    const { length } = content.chunks;
    const id = this.#nextId;
    const ref = base && { path: parsePath(base.path), revision: base.revision };
    const staged = await this.one(
      { type: "stage", content: content.id, size: content.bytes.length, chunks: length, base: ref },
      "staged",
    );
    return { id, staged };
  }

  /** Sends the data of a content that was announced with request `id`. @param messages at most so many */
  async sendData(id: number, content: Large, first = 0, messages = Infinity): Promise<Message | null> {
    const read = (into: Uint8Array, offset: number) => {
      const part = content.bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    };
    let sent = 0;
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    for (const data of dataMessages({ chunks: content.chunks, base: null, first, read })) {
      if (sent++ === messages) return null;
      await this.#link.send(encode({ id, message: data }));
    }
    return await answer;
  }

  /** Sends data as it stands. */
  async sendRaw(id: number, message: Message): Promise<void> {
    await this.#link.send(encode({ id, message }));
  }

  async stageAll(content: Large): Promise<Message> {
    const { id, staged } = await this.stage(content);
    if (staged.type === "error" || staged.complete) return staged;
    return (await this.sendData(id, content, staged.chunks))!;
  }

  /** Waits until the server has answered something that was asked now, and so has told all before it. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await this.ask({ type: "ping" });
      await systemClock.yield();
    }
  }

  /** What was told without being asked for: the notices, as `path` or `path gone`, and how far. */
  told(): string[] {
    return this.news.splice(0).map((message) => {
      if (message.type !== "changes") return message.type;
      const notices = message.notices.map((notice) =>
        notice.kind === "moved"
          ? `${notice.from} > ${notice.to}`
          : `${notice.path}${notice.kind === "gone" ? " gone" : ""}`
      );
      return `${notices.join(", ")} ≤${message.upTo} !${message.conflicts}`;
    });
  }
}

/** A folder with clients; `olga` is its owner. */
export class Hub implements AsyncDisposable {
  readonly folder: Folder;
  readonly olga: FreeClient;
  readonly #clients: FreeClient[] = [];

  /** @param stores in memory without them; whoever opened them closes them */
  constructor(
    stores?: { readonly records: Records; readonly contents: Contents },
    clock: Clock = systemClock,
  ) {
    const { records, contents } = stores ??
      { records: new MemRecords(new SeededRandom(1n), clock), contents: new MemContents() };
    this.folder = new Folder({ records, contents, clock, onCommit: () => {} });
    this.olga = this.client("olga", Rights.ALL);
  }

  client(user: string, rights: Rights | (() => Rights), quota?: Quota): FreeClient {
    const client = new FreeClient({ folder: this.folder, user, rights, ...quota && { quota } });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.close();
  }
}

/** `{ "": "write", "a/b": "none" }` */
export function rightsOf(rules: Readonly<Record<string, Access>>, history = false): Rights {
  return new Rights(
    Object.entries(rules).map(([prefix, access]) => ({
      prefix: prefix === "" ? null : parsePath(prefix),
      access,
      history: history && access !== "none",
    })),
  );
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function entryOf(bytes: Uint8Array, mtime = 1000): FileEntry {
  const content = bytes.length > SINGLE_CHUNK_MAX ? large(bytes).id : digestHex(bytes) as ContentId;
  return { kind: "file", size: bytes.length, mtime, mode: 0o644, content };
}

/** A file sent inline. */
export function fileOf(path: string, text: string, base = 0, mtime = 1000): Sent {
  const bytes = textBytes(text);
  const entry = entryOf(bytes, mtime);
  return { item: { op: "put", path: parsePath(path), base, entry, source: { from: "inline" } }, bytes };
}

/** A file whose bytes are elsewhere. */
export function copyOf(path: string, bytes: Uint8Array, source: ContentSource, base = 0): Sent {
  return { item: { op: "put", path: parsePath(path), base, entry: entryOf(bytes), source } };
}

export function dirOf(path: string): Sent {
  return {
    item: { op: "put", path: parsePath(path), base: 0, entry: { kind: "dir", mode: 0o755 }, source: null },
  };
}

export function gone(path: string, base: number): Sent {
  return { item: { op: "delete", path: parsePath(path), base } };
}

export function renamed(from: string, to: string, base: number, count: number): Sent {
  return { item: { op: "rename", from: parsePath(from), to: parsePath(to), base, count } };
}

/** What was answered, shortly. */
export function shown(result: UploadResult | Message | undefined): string {
  if (result === undefined) return "nothing";
  if ("type" in result) return result.type === "error" ? `error ${result.code}` : result.type;
  if (result.status === "error") return `error ${result.code}: ${result.message}`;
  return result.status;
}
