/**
 * A large content on its way in: verifies what comes and keeps it in a {@link Part}. Shared by the real store and its
 * twin, which differ only in where the bytes lie.
 */
import { type AssembleBase, AssembleError, Assembler } from "../../core/assemble.ts";
import { CHUNK_MIN, type ChunkList, SLICE_BYTES } from "../../core/chunk.ts";
import type { ContentId } from "../../core/entry.ts";
import type { DataOp } from "../../protocol/messages.ts";
import { ContentsError, type Incoming } from "./contents.ts";
import { wholeChunks } from "./_resume.ts";

/** Where the bytes of an incoming content wait. */
export interface Part {
  /** Bytes that an earlier attempt left. */
  readonly size: number;
  append(bytes: Uint8Array): void;
  read(into: Uint8Array, offset: number): number;
  truncate(size: number): void;
  /** Makes it durable and gives it its place as a large content. @throws {ContentsError} */
  place(): Promise<void>;
  /** Lets go of it; the bytes stay. */
  pause(): void;
  remove(): void;
}

/** Chunks of a base that are copied at once: at most about one slice. */
const RUN_CHUNKS = 16;

export interface Announced {
  readonly id: ContentId;
  readonly size: number;
  readonly base: AssembleBase | null;
  /** Lets other work run. */
  readonly yield: () => Promise<void>;
}

export class IncomingContent implements Incoming {
  readonly #part: Part;
  readonly #announced: Announced;
  readonly #assembler: Assembler;
  /** Calls that are under way or wait; a peer may send faster than the disk writes. */
  #pending = 0;
  #last: Promise<unknown> = Promise.resolve();
  #paused = false;
  #ended = false;
  /** There was no room for all of it; what is there of it takes room that others need. */
  #tooLarge = false;

  private constructor(part: Part, announced: Announced) {
    this.#part = part;
    this.#announced = announced;
    this.#assembler = new Assembler(part, announced.base, announced.size);
  }

  /** Goes on with what `part` holds. @throws {ContentsError}; the part is let go then */
  static async resume(part: Part, announced: Announced): Promise<IncomingContent> {
    try {
      const incoming = new IncomingContent(part, announced);
      await incoming.#resume();
      return incoming;
    } catch (error) {
      part.pause();
      throw error;
    }
  }

  get chunks(): number {
    return this.#assembler.chunks;
  }

  prefix(): Uint8Array {
    return this.#assembler.prefix();
  }

  async accept(ops: readonly DataOp[], bytes: Uint8Array): Promise<void> {
    await this.#work(async () => {
      let at = 0, unyielded = 0;
      for (const op of ops) {
        for (const step of inSteps(op)) {
          const before = this.#assembler.bytes;
          const used = step.op === "new" ? step.size : 0;
          this.#assembler.accept([step], bytes.subarray(at, at + used));
          at += used;
          this.#checkCount();
          unyielded += this.#assembler.bytes - before;
          if (unyielded < SLICE_BYTES) continue;
          unyielded = 0;
          await this.#announced.yield();
          this.#checkOpen();
        }
      }
      if (at !== bytes.length) throw new AssembleError("there are bytes that no chunk accounts for");
    });
  }

  async finish(): Promise<ChunkList> {
    return await this.#work(async () => {
      this.#ended = true;
      try {
        const list = this.#assembler.finish(this.#announced.id);
        await this.#part.place();
        return list;
      } catch (error) {
        // Bytes that are wrong, or that could not be made durable, help nobody later.
        this.#part.remove();
        throw error;
      }
    });
  }

  pause(): void {
    this.#paused = true;
    // Whoever still uses the part lets go of it.
    if (this.#pending === 0) this.#letGo();
  }

  async #resume(): Promise<void> {
    const cutting = wholeChunks(
      (into, offset) => this.#part.read(into, offset),
      this.#part.size,
      this.#announced.size,
    );
    let step = cutting.next();
    while (!step.done) {
      await this.#announced.yield();
      step = cutting.next();
    }
    const whole = step.value.totalSize();
    // Longer than announced: the bytes are of something else.
    if (this.#part.size > this.#announced.size) return this.#part.truncate(0);
    this.#part.truncate(whole);
    this.#assembler.resume(step.value);
  }

  /** One call after the other. */
  async #work<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    this.#pending++;
    try {
      await before;
      this.#checkOpen();
      return await work();
    } catch (error) {
      if (error instanceof ContentsError && error.code === "no_space") this.#tooLarge = true;
      if (!(error instanceof AssembleError)) throw error;
      throw new ContentsError("corrupt", `Cannot build a content: ${error.message}`);
    } finally {
      resolve();
      this.#pending--;
      if (this.#paused && this.#pending === 0) this.#letGo();
    }
  }

  #checkOpen(): void {
    if (this.#paused || this.#ended) {
      throw new ContentsError("io", "Cannot go on with a content: it was let go");
    }
  }

  /** Chunks cost memory, so a peer may not make more of them than a content of this size has. */
  #checkCount(): void {
    if ((this.#assembler.chunks - 1) * CHUNK_MIN > this.#announced.size) {
      throw new AssembleError("its chunks are too small");
    }
  }

  #letGo(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#assembler.chunks > 0 && !this.#tooLarge) this.#part.pause();
    else this.#part.remove();
  }
}

/** Splits an op that copies much of the base. */
function* inSteps(op: DataOp): Generator<DataOp> {
  if (op.op !== "base" || op.count <= RUN_CHUNKS) return yield op;
  const end = op.index + op.count;
  for (let index = op.index; index < end; index += RUN_CHUNKS) {
    yield { op: "base", index, count: Math.min(RUN_CHUNKS, end - index) };
  }
}
