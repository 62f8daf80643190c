/** Messages that carry contents, small and large. */
import { CHUNK_MAX, SINGLE_CHUNK_MAX } from "../core/chunk.ts";
import type { ContentId } from "../core/entry.ts";
import {
  DIGEST_BYTES,
  readBase,
  readBlock,
  readHeld,
  readVersionRef,
  writeBase,
  writeBlock,
  writeHeld,
  writeVersionRef,
} from "./_entries.ts";
import { type FieldsOf, readList, writeList } from "./_fields.ts";
import type { Reader } from "./_reader.ts";
import { contentsProblem, dataProblem, stageProblem } from "./_rules.ts";
import type { Writer } from "./_writer.ts";
import { CHUNKS_MAX, FILE_BYTES_MAX, ITEMS_MAX, OPS_MAX } from "./limits.ts";
import type { Contents, Data, DataOp, Stage } from "./messages.ts";

const BASE = 1, SELF = 2, NEW = 3;
/** A size on the wire is one more than it is, so that 0 can stand for a content that is not to be had. */
const SIZE_SHIFT = 1;

export const CONTENT_MESSAGES: FieldsOf<
  "stage" | "staged" | "data" | "download" | "contents" | "fetch" | "fetching"
> = {
  stage: {
    number: 8,
    write(w, message) {
      w.check(stageProblem(message));
      w.hex("the content", message.content, DIGEST_BYTES);
      w.uint("the size", message.size, FILE_BYTES_MAX);
      w.uint("the count of chunks", message.chunks, CHUNKS_MAX);
      writeBase(w, message.base);
    },
    read(r) {
      const message: Stage = {
        type: "stage",
        content: r.hex(DIGEST_BYTES) as ContentId,
        size: r.uint("the size", FILE_BYTES_MAX),
        chunks: r.uint("the count of chunks", CHUNKS_MAX),
        base: readBase(r),
      };
      r.check(stageProblem(message));
      return message;
    },
  },

  staged: {
    number: 9,
    write(w, message) {
      writeHeld(w, message.chunks, message.prefix);
      w.bool(message.complete);
    },
    read: (r) => ({ type: "staged", ...readHeld(r), complete: r.bool("whether it is complete") }),
  },

  data: {
    number: 10,
    write(w, message) {
      w.check(dataProblem(message));
      w.bool(message.last);
      writeList(w, "the count of ops", message.ops, OPS_MAX, writeOp);
      writeBlock(w, message.block);
    },
    read(r) {
      const last = r.bool("whether it is the last");
      const ops = readList(r, "the count of ops", OPS_MAX, readOp);
      const message: Data = { type: "data", ops, block: readBlock(r), last };
      r.check(dataProblem(message));
      return message;
    },
  },

  download: {
    number: 11,
    write(w, message) {
      writeList(w, "the count of items", message.items, ITEMS_MAX, writeVersionRef);
    },
    read: (r) => ({
      type: "download",
      items: readList(r, "the count of items", ITEMS_MAX, readVersionRef),
    }),
  },

  contents: {
    number: 12,
    write(w, message) {
      w.check(contentsProblem(message));
      w.bool(message.last);
      writeList(w, "the count of sizes", message.sizes, ITEMS_MAX, writeSize);
      writeBlock(w, message.block);
    },
    read(r) {
      const last = r.bool("whether it is the last");
      const sizes = readList(r, "the count of sizes", ITEMS_MAX, readSize);
      const message: Contents = { type: "contents", sizes, block: readBlock(r), last };
      r.check(contentsProblem(message));
      return message;
    },
  },

  fetch: {
    number: 13,
    write(w, message) {
      writeVersionRef(w, message);
      writeBase(w, message.base);
      writeHeld(w, message.chunks, message.prefix);
    },
    read: (r) => ({ type: "fetch", ...readVersionRef(r), base: readBase(r), ...readHeld(r) }),
  },

  fetching: {
    number: 14,
    write(w, message) {
      w.uint("the count of chunks", message.chunks, CHUNKS_MAX);
      w.uint("the first chunk", message.first, message.chunks);
    },
    read(r) {
      const chunks = r.uint("the count of chunks", CHUNKS_MAX);
      return { type: "fetching", first: r.uint("the first chunk", chunks), chunks };
    },
  },
};

function writeSize(w: Writer, size: number): void {
  w.uint("a size", size + SIZE_SHIFT, SINGLE_CHUNK_MAX + SIZE_SHIFT);
}

function readSize(r: Reader): number {
  return r.uint("a size", SINGLE_CHUNK_MAX + SIZE_SHIFT) - SIZE_SHIFT;
}

function writeOp(w: Writer, op: DataOp): void {
  switch (op.op) {
    case "base":
      if (op.count === 0) w.fail("an op has no chunks");
      w.u8(BASE);
      w.uint("the index of a chunk", op.index, CHUNKS_MAX);
      return w.uint("the count of chunks", op.count, CHUNKS_MAX);
    case "self":
      w.u8(SELF);
      return w.uint("the index of a chunk", op.index, CHUNKS_MAX);
    case "new":
      if (op.id.length !== DIGEST_BYTES) w.fail(`the id of a chunk does not have ${DIGEST_BYTES} bytes`);
      if (op.size === 0) w.fail("a chunk is empty");
      w.u8(NEW);
      w.raw(op.id);
      return w.uint("the size of a chunk", op.size, CHUNK_MAX);
  }
}

function readOp(r: Reader): DataOp {
  const op = r.u8();
  if (op === BASE) {
    const index = r.uint("the index of a chunk", CHUNKS_MAX);
    const count = r.uint("the count of chunks", CHUNKS_MAX) || r.fail("an op has no chunks");
    return { op: "base", index, count };
  }
  if (op === SELF) return { op: "self", index: r.uint("the index of a chunk", CHUNKS_MAX) };
  if (op !== NEW) return r.fail("the kind of an op is unknown");
  const id = r.raw(DIGEST_BYTES);
  const size = r.uint("the size of a chunk", CHUNK_MAX) || r.fail("a chunk is empty");
  return { op: "new", id, size };
}
