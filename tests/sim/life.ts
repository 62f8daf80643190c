/**
 * One life of a process: when it is killed, everything that its code still does throws and changes nothing. Disk, state
 * and records outlive it.
 */
import type { State } from "../../client/state.ts";
import type { Disk, StageFile } from "../../system/disk.ts";

/** Thrown into the code of a process that was killed. */
export class ProcessKilled extends Error {
  override name = "ProcessKilled";
  constructor() {
    super("this process was killed");
  }
}

export class Life {
  #alive = true;
  #callsLeft = Infinity;
  readonly #onKill: () => void;

  /** @param onKill what the kernel does for a dead process: its connections end */
  constructor(onKill: () => void) {
    this.#onKill = onKill;
  }

  get alive(): boolean {
    return this.#alive;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#onKill();
  }

  /** Kills the process just before the call after the next `calls` calls of disk, state or records. */
  killAfter(calls: number): void {
    this.#callsLeft = calls;
  }

  /** @throws {ProcessKilled} */
  check(): void {
    if (this.#alive && this.#callsLeft-- <= 0) this.kill();
    if (!this.#alive) throw new ProcessKilled();
  }
}

/** `target` for as long as the process lives. */
export function mortal<T extends object>(target: T, life: Life): T {
  return new Proxy(target, {
    get(object, key) {
      const value = Reflect.get(object, key, object);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        life.check();
        return value.apply(object, args);
      };
    },
  });
}

/**
 * A state for one life.
 *
 * @param aWhile what the hardware takes, before and after the moment from which on all is durable
 */
export function mortalState(state: State, life: Life, aWhile: () => Promise<void>): State {
  const facade = mortal(state, life);
  return new Proxy(facade, {
    get(object, key) {
      if (key !== "durable") return Reflect.get(object, key, object);
      return async () => {
        life.check();
        await aWhile();
        await object.durable();
        await aWhile();
        life.check();
      };
    },
  });
}

/**
 * A disk for one life, with the staged files that it opens.
 *
 * @param aWhile what the hardware takes, before and after the moment from which on all is durable
 * @param onDurable called then: the state lies on the same file system
 */
export function mortalDisk(disk: Disk, life: Life, aWhile: () => Promise<void>, onDurable: () => void): Disk {
  const facade = mortal(disk, life);
  return new Proxy(facade, {
    get(object, key) {
      if (key === "close") return () => {};
      if (key === "sync") {
        return async () => {
          life.check();
          await aWhile();
          await object.sync();
          onDurable();
          await aWhile();
          life.check();
        };
      }
      if (key !== "stageLarge") return Reflect.get(object, key, object);
      return (name: string): StageFile => {
        const file = mortal(object.stageLarge(name), life);
        return new Proxy(file, {
          get: (inner, member) => member === "close" ? () => {} : Reflect.get(inner, member, inner),
        });
      };
    },
  });
}
