/** The machines for which there is a built file, and the Deno runtime of each. */

export interface Target {
  /** As Deno and `dist/` call it. */
  readonly name: string;
  /** As `uname -m` calls it. */
  readonly machine: string;
  /** `e_machine` in the header of its programs. */
  readonly elfMachine: number;
  /** The npm package with Deno for it; pinned with its integrity in `runtimes.lock`. */
  readonly package: string;
  /** SHA-256 of the program in the package: what comes from a cache is checked too. */
  readonly runtimeSha256: string;
}

export const TARGETS: readonly Target[] = [
  {
    name: "x86_64-unknown-linux-gnu",
    machine: "x86_64",
    elfMachine: 62,
    package: "@deno/linux-x64-glibc",
    runtimeSha256: "bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0",
  },
  {
    name: "aarch64-unknown-linux-gnu",
    machine: "aarch64",
    elfMachine: 183,
    package: "@deno/linux-arm64-glibc",
    runtimeSha256: "e1a70c5eb03b0ebaf761077029ef86b9ba22d50e2b54ca45ce5437457f701b63",
  },
];

/** The target with this name, `null` if there is none. */
export function findTarget(name: string): Target | null {
  return TARGETS.find((target) => target.name === name) ?? null;
}

/** The target that this machine can run, `null` if it is none of them. */
export function ownTarget(): Target | null {
  return findTarget(Deno.build.target);
}

/** Whether the file at `path` is a program for the target. */
export function isProgramFor(path: string, target: Target): boolean {
  const header = new Uint8Array(20);
  using file = Deno.openSync(path);
  if (file.readSync(header) !== header.length) return false;
  const magic = [0x7f, 0x45, 0x4c, 0x46];
  return magic.every((byte, i) => header[i] === byte) &&
    header[18]! + header[19]! * 256 === target.elfMachine;
}
