import { assertEquals, assertRejects } from "@std/assert";
import type { ContentId, FileEntry } from "../core/entry.ts";
import type { SyncPath } from "../core/path.ts";
import type { UploadResult } from "../protocol/messages.ts";
import type { Remote, UploadRequest } from "../protocol/remote.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { MemState } from "../tests/fakes/mem_state.ts";
import { SeededRandom } from "../tests/fakes/seeded_random.ts";
import { Begun } from "./begun.ts";
import { Trees } from "./trees.ts";
import { Unanswered } from "./unanswered.ts";

const F = "f" as SyncPath;
const AUTHOR = { user: "", device: "" };

function file(content: string): FileEntry {
  return {
    kind: "file",
    size: content.length,
    content: content.padEnd(64, "0") as ContentId,
    mtime: 1,
    mode: 0o644,
  };
}

function put(entry: FileEntry | null): UploadRequest {
  return {
    bytes: null,
    item: entry === null
      ? { op: "delete", path: F, base: 3 }
      : { op: "put", path: F, base: 3, entry, source: { from: "inline" } },
  };
}

/** One process of a replica that had "f" with the content "old" at revision 3. */
class Process {
  readonly trees = new Trees();
  readonly looks: string[] = [];
  readonly begun: Begun;
  readonly unanswered: Unanswered;
  readonly state: MemState;

  constructor(state: MemState, disk: MemDisk) {
    this.state = state;
    this.trees.agree(F, file("old"), 3, null, null);
    this.trees.takePending(() => null);
    this.begun = new Begun(state);
    this.unanswered = new Unanswered(this.trees, this.begun, disk, (path) => this.looks.push(path));
    this.unanswered.load(this.begun.recall());
  }

  async upload(entry: FileEntry | null, results: UploadResult[] | null): Promise<void> {
    const remote: Pick<Remote, "upload"> = {
      upload: () => results === null ? Promise.reject(new Error("cut")) : Promise.resolve(results),
    };
    await this.unanswered.upload(remote as Remote, [put(entry)], () => {});
  }

  async lose(entry: FileEntry | null): Promise<void> {
    await assertRejects(() => this.upload(entry, null), Error, "cut");
    this.unanswered.conversationEnded(true);
  }

  hear(entry: FileEntry | null, revision: number): void {
    this.trees.noteNotice(
      entry === null
        ? { kind: "gone", path: F, revision, author: AUTHOR }
        : { kind: "set", path: F, revision, entry, from: null, author: AUTHOR },
    );
  }

  /** What is agreed on, `null`: nothing. */
  get agreed(): readonly [content: string, revision: number] | null {
    const node = this.trees.synced.get(F);
    return node?.entry.kind === "file" ? [node.entry.content.slice(0, 3), node.revision] : null;
  }

  /** Writes down what is finished. */
  write(): void {
    this.state.write({ done: this.begun.takeFinished() });
  }
}

function start(): { state: MemState; disk: MemDisk; first: Process } {
  const state = new MemState(new SeededRandom(1n));
  const disk = new MemDisk();
  return { state, disk, first: new Process(state, disk) };
}

Deno.test("unanswered: a head that is what was sent is agreed on, also by the next process", async () => {
  const { state, disk, first } = start();
  await first.lose(file("new"));
  const next = new Process(state, disk);
  for (const one of [first, next]) {
    one.hear(file("new"), 5);
    assertEquals([one.agreed, one.trees.remote.size], [["new", 5], 0]);
  }
});

Deno.test("unanswered: a delete that arrived is agreed on", async () => {
  const { first } = start();
  await first.lose(null);
  first.trees.local.set(F, null);
  first.hear(null, 5);
  assertEquals([first.agreed, first.trees.local.size, first.trees.remote.size], [null, 0, 0]);
});

Deno.test("unanswered: another head than what was sent is news", async () => {
  const { first } = start();
  await first.lose(file("new"));
  first.hear(file("their"), 5);
  assertEquals([first.agreed, first.trees.remote.get(F)?.revision], [["old", 3], 5]);
});

Deno.test("unanswered: after a power cut nothing is recognised, for the disk may have lost what was sent", async () => {
  const { state, disk, first } = start();
  await first.lose(file("new"));
  disk.powerCut(() => 0);
  const next = new Process(state, disk);
  next.hear(file("new"), 5);
  assertEquals([next.agreed, next.trees.remote.get(F)?.revision], [["old", 3], 5]);
  next.write();
  assertEquals(state.begun(), []);
});

Deno.test("unanswered: where the disk is as it was before, it is looked at", async () => {
  const { first } = start();
  await first.lose(file("new"));
  first.hear(file("new"), 5);
  assertEquals(first.looks, ["f"]);
});

Deno.test("unanswered: an answer settles what was sent before for the same path", async () => {
  const { first } = start();
  await first.lose(file("new"));
  await first.upload(file("newer"), [{ status: "ok", revision: 6 }]);
  first.trees.agree(F, file("newer"), 6, null, null);
  first.hear(file("new"), 7);
  assertEquals([first.agreed, first.trees.remote.get(F)?.revision], [["new".padEnd(3), 6], 7]);
});

Deno.test("unanswered: what was refused settles nothing", async () => {
  const { first } = start();
  await first.lose(file("new"));
  await first.upload(file("newer"), [{ status: "stale" }]);
  first.hear(file("new"), 5);
  assertEquals(first.agreed, ["new", 5]);
});

Deno.test("unanswered: a note ends with the next conversation that told everything", async () => {
  const { state, disk, first } = start();
  await first.lose(file("new"));
  const next = new Process(state, disk);
  next.unanswered.conversationEnded(false);
  next.write();
  assertEquals(state.begun().length, 1);
  next.unanswered.conversationEnded(true);
  next.write();
  assertEquals(state.begun(), []);
  next.hear(file("new"), 5);
  assertEquals(next.agreed, ["old", 3]);
});
