/** Somebody with a machine of their own: another state directory, so nothing that the server left for its user. */
import { assertEquals } from "@std/assert";
import type { Program, Result, RunOptions } from "./_program.ts";
import type { World } from "./_world.ts";

export class Person {
  readonly name: string;
  readonly options: RunOptions;
  readonly #world: World;

  constructor(world: World, name: string, options: RunOptions = {}) {
    this.#world = world;
    this.name = name;
    const env = { USER: name, FSYNC_STATE_DIR: world.path(`state-${name}`), ...options.env };
    this.options = { ...options, env };
  }

  run(...words: readonly string[]): Promise<Result> {
    return this.#world.run(words, this.options);
  }

  /** Runs a command that must end well and say nothing on stderr. @returns what it says on stdout */
  async ok(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words);
    assertEquals([code, stderr], [0, ""], `${this.name}: fsync ${words.join(" ")}`);
    return stdout;
  }

  async watch(dir: string): Promise<Program> {
    const program = this.#world.start(`${this.name}'s watch`, ["watch", dir], this.options);
    await program.line(`Watching: ${dir}`);
    return program;
  }
}

/** Runs a command of the owner that must end well. @returns what it says on stdout */
export async function owner(world: World, line: string): Promise<string> {
  const { code, stdout, stderr } = await world.run(line.split(" "));
  assertEquals(code, 0, `${line}: ${stderr}`);
  return stdout;
}

/** The line of an invitation for somebody who reaches the server at `host`. */
export async function invite(world: World, words: string, host = `127.0.0.1:${world.port}`): Promise<string> {
  return (await owner(world, `invite ${words} --host ${host} --quiet`)).trim();
}
