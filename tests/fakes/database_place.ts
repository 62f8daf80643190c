/** A database file in a directory of its own, to be damaged. */
import { DatabaseSync } from "node:sqlite";

export class DatabasePlace {
  readonly #dir = Deno.makeTempDirSync();
  readonly path: string;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.path = `${this.#dir}/${name}`;
  }

  /** The files as they are now, in another directory. */
  copy(): DatabasePlace {
    const copy = new DatabasePlace(this.#name);
    for (const { name } of Deno.readDirSync(this.#dir)) {
      Deno.copyFileSync(`${this.#dir}/${name}`, `${copy.#dir}/${name}`);
    }
    return copy;
  }

  /** Puts `bytes` in the place of the database, without its log. */
  replace(bytes: Uint8Array): void {
    for (const { name } of Deno.readDirSync(this.#dir)) Deno.removeSync(`${this.#dir}/${name}`);
    Deno.writeFileSync(this.path, bytes);
  }

  execute(sql: string): void {
    const db = new DatabaseSync(this.path);
    db.exec(sql);
    db.close();
  }

  modes(): [string, number][] {
    const names = [...Deno.readDirSync(this.#dir)].map(({ name }) => name);
    return names.map((name) => [name, Deno.lstatSync(`${this.#dir}/${name}`).mode! & 0o777]);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#dir, { recursive: true });
  }
}

const PAGE_BYTES = 4096;

/** The ways in which a database file is found after an accident: cut, zeroed, overwritten. */
export function* damagedCopies(good: Uint8Array): Generator<[string, Uint8Array]> {
  for (const size of [10, 99, 100, 512, PAGE_BYTES, PAGE_BYTES + 1, good.length >> 1, good.length - 1]) {
    yield [`cut to ${size}`, good.slice(0, size)];
  }
  yield ["all zeros", new Uint8Array(good.length)];
  yield ["a text", new TextEncoder().encode("not a database\n".repeat(1000))];
  for (let page = 0; page * PAGE_BYTES < good.length; page += 5) {
    const [start, end] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES];
    yield [`page ${page} zeroed`, good.slice().fill(0, start, end)];
    yield [`page ${page} overwritten`, good.slice().fill(0xa5, start, end)];
  }
}
