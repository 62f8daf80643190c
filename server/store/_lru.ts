/** The most recently used values, up to a bound on their summed cost. */
export class Lru<K, V> {
  readonly #costMax: number;
  readonly #costOf: (value: V) => number;
  readonly #onDrop: (value: V) => void;
  /** In the order of use: a map keeps the order of insertion. */
  readonly #values = new Map<K, V>();
  #cost = 0;

  constructor(costMax: number, costOf: (value: V) => number, onDrop: (value: V) => void = () => {}) {
    this.#costMax = costMax;
    this.#costOf = costOf;
    this.#onDrop = onDrop;
  }

  get(key: K): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  /** Keeps `value`, also if it alone passes the bound. */
  set(key: K, value: V): void {
    this.delete(key);
    this.#values.set(key, value);
    this.#cost += this.#costOf(value);
    for (const oldest of this.#values.keys()) {
      if (this.#cost <= this.#costMax || oldest === key) return;
      this.delete(oldest);
    }
  }

  delete(key: K): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#cost -= this.#costOf(value);
    this.#onDrop(value);
  }

  clear(): void {
    for (const key of [...this.#values.keys()]) this.delete(key);
  }
}
