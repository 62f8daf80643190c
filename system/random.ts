/** Chance, so that the simulator can own it. */
export interface Random {
  /** `count` random bytes, fit for secrets in the real implementation. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1). */
  fraction(): number;
}

export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  fraction: () => Math.random(),
};
