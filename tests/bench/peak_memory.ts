/** How much memory a process and its descendants took at most, from `/proc`. */

/** Between two samples of a running process, milliseconds. A sample costs about 0.1 ms of one core. */
export const SAMPLE_MS = 20;

/**
 * The peaks of a process and of all its descendants, added up. Pages that they share count for each of them. The kernel
 * keeps the peak (`VmHWM`), so a sample only misses what grew after the last one before the end.
 */
export class PeakMemory {
  readonly #root: number;
  readonly #peaks = new Map<number, number>();

  constructor(pid: number) {
    this.#root = pid;
  }

  /** Forgets the peaks so far, also the kernel's. */
  reset(): void {
    this.#peaks.clear();
    for (const pid of familyOf(this.#root)) {
      try {
        // 5 stands for the peak alone, see proc(5).
        Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
      } catch {
        // It ended, or the kernel was built without it: then the peak is that of its whole life.
      }
    }
  }

  sample(): void {
    for (const pid of familyOf(this.#root)) {
      const peak = /^VmHWM:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? "");
      if (peak !== null) this.#peaks.set(pid, Number(peak[1]) * 1024);
    }
  }

  /** The sum of the peaks, bytes. */
  get bytes(): number {
    return [...this.#peaks.values()].reduce((sum, peak) => sum + peak, 0);
  }
}

/**
 * Returns when the process and its descendants have hardly used the processor for a while: what a server still does
 * after one measurement must not slow down the next.
 *
 * @throws {Error} if they do not come to rest
 */
export async function comeToRest(pid: number, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let before = ticksOf(pid);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = ticksOf(pid);
    // A timer that wakes up may cost a tick (10 ms).
    if (now - before <= 1) return;
    if (performance.now() > deadline) {
      throw new Error(`Cannot measure: process ${pid} is still busy after ${timeoutMs / 1000} s`);
    }
    before = now;
  }
}

function ticksOf(root: number): number {
  let ticks = 0;
  for (const pid of familyOf(root)) {
    // After the name, which may hold anything, come state and numbers; user and system time are fields 14 and 15.
    const fields = (read(`/proc/${pid}/stat`) ?? "").replace(/^.*\) /s, "").split(" ");
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks;
}

/** The process and its descendants. */
function familyOf(root: number): number[] {
  const family = [root];
  for (let i = 0; i < family.length; i++) {
    const children = read(`/proc/${family[i]}/task/${family[i]}/children`) ?? "";
    family.push(...children.split(" ").filter((pid) => pid !== "").map(Number));
  }
  return family;
}

function read(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
