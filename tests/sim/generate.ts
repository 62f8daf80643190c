/** What happens in a random run: a list of steps that a seed decides and that stays meaningful when some are left out. */
import { SeededRandom } from "../fakes/seeded_random.ts";
import { S } from "./world.ts";

export interface SimStep {
  readonly do: Operation | Action;
  /** Machine. */
  readonly actor: number;
  readonly path: string;
  /** Second path, where there is one. */
  readonly to: string;
  /** A size, a count, a choice. */
  readonly n: number;
  /** Time that passes after the step, ms. */
  readonly pause: number;
}

export interface Scheme {
  readonly seed: bigint;
  readonly clients: number;
  readonly mode: "pass" | "watch";
  readonly granularityUs: number;
  readonly lostHints: number;
  /** Clients whose folder a Unix group shares. */
  readonly groupShared: readonly number[];
  /** Each ends with everything healed and at rest. */
  readonly phases: readonly (readonly SimStep[])[];
  /** Whether a fresh client joins at the end. */
  readonly fresh: boolean;
}

const OPERATIONS = [
  ["write", 30],
  ["append", 6],
  ["patch", 6],
  ["save", 6],
  ["delete", 10],
  ["rename", 10],
  ["moveDir", 8],
  ["caseRename", 2],
  ["mkdir", 5],
  ["removeTree", 4],
  ["changeKind", 3],
  ["symlink", 3],
  ["chmod", 2],
  ["touch", 2],
  ["touchBack", 1],
  ["swap", 2],
  ["copy", 2],
  ["sameAsOther", 3],
  ["quietEdit", 3],
  ["many", 3],
  ["wipe", 4],
] as const;

const ACTIONS = [
  ["sync", 30],
  ["syncToEnd", 14],
  ["wait", 10],
  ["cut", 3],
  ["partition", 2],
  ["blackHole", 1],
  ["heal", 6],
  ["cutAfterFrames", 5],
  ["kill", 3],
  ["killAfter", 5],
  ["powerCut", 3],
  ["powerCutAfter", 4],
  ["restart", 8],
  ["loseState", 1],
  ["skew", 1],
  ["fillDisk", 1],
  ["freeDisk", 2],
  ["join", 1],
] as const;

/** What some runs have on top, so that the others stay what they are without it. */
const IGNORING = [["ignore", 8], ["unignore", 2]] as const;

export type Operation = (typeof OPERATIONS)[number][0] | (typeof IGNORING)[number][0];
export type Action = (typeof ACTIONS)[number][0] | "exclude";

/** Names that code confuses: by case, by normalisation, as an option, a key of objects, by length. */
const NAMES = [
  "a",
  "A",
  "b",
  "f.txt",
  "\u00e9",
  "e\u0301",
  "-x",
  "x y",
  "n\nl",
  "__proto__",
  "constructor",
  "long".repeat(50),
];

const SMALL = [0, 64, 100, 4095, 4096, 4097];
const MIDDLE = [65535, 65536, 65537];
const BOUND = [131071, 131072, 131073];
const LARGE = [300 * 1024, 1024 * 1024];
const YEAR_MS = 365 * 86_400_000;
const STEPS_MAX = 26;

/**
 * Swarm testing: each seed first chooses what can happen at all in its run.
 *
 * @param only these kinds are always part of it, others never; empty: the seed chooses
 */
export function generate(seed: bigint, only: readonly string[] = []): Scheme {
  const random = new SeededRandom(seed);
  const chosen = (name: Operation | Action) =>
    only.length > 0 ? only.includes(name) : random.chance(chanceOf(name));
  const operations = OPERATIONS.filter(([name]) => name === "write" || chosen(name));
  const actions = ACTIONS.filter(([name]) => name === "sync" || name === "wait" || chosen(name));
  const names = random.shuffle(NAMES).slice(0, random.between(2, 7));
  const clients = random.weighted([[1, 1], [2, 6], [3, 4], [4, 1]] as const);
  const serverActs = random.chance(0.25);
  const large = random.chance(0.25);
  const calm = random.chance(0.1);
  const make = (): SimStep => {
    const act = random.chance(calm ? 0.2 : 0.45) ? random.weighted(actions) : random.weighted(operations);
    const isAction = actions.some(([name]) => name === act);
    const server = isAction ? random.chance(0.2) : serverActs && random.chance(0.25);
    return {
      do: act,
      actor: server ? S : random.int(clients),
      path: randomPath(random, names),
      to: randomPath(random, names),
      n: act === "write" || act === "save" || act === "append" ? randomSize(random, large) : random.int(1000),
      pause: random.weighted([[0, 5], [random.int(5), 3], [random.int(40), 3], [random.int(3000), 1]]),
    };
  };
  const scheme: Scheme = {
    seed,
    clients,
    mode: random.chance(0.3) ? "watch" : "pass",
    granularityUs: random.chance(0.25) ? 10_000 : 1,
    lostHints: random.chance(0.5) ? 0.3 : 0,
    phases: Array.from({ length: 3 }, () => Array.from({ length: random.between(4, STEPS_MAX) }, make)),
    fresh: random.chance(0.3),
    groupShared: random.chance(0.15) ? [...Array(clients).keys()].filter(() => random.chance(0.6)) : [],
  };
  return withIgnoring(scheme, names, only);
}

/** Ignore files and excludes come in between, where the seed or `only` wants them. */
function withIgnoring(scheme: Scheme, names: readonly string[], only: readonly string[]): Scheme {
  const random = new SeededRandom(scheme.seed ^ 0x69676e6f7265n);
  const kinds = [...IGNORING, ["exclude", 3] as const].filter(([name]) =>
    only.length === 0 || only.includes(name)
  );
  if (kinds.length === 0 || (only.length === 0 && !random.chance(0.3))) return scheme;
  const plain = names.filter((name) => !name.includes("\n"));
  const make = (): SimStep => {
    const kind = random.weighted(kinds);
    return {
      do: kind,
      actor: kind !== "exclude" && random.chance(0.1) ? S : random.int(scheme.clients),
      path: random.chance(0.6) ? "" : randomPath(random, names),
      to: kind === "exclude" && random.chance(0.3) ? "" : rules(random, plain.length > 0 ? plain : ["a"]),
      n: random.int(1000),
      pause: random.weighted([[0, 5], [random.int(40), 3], [random.int(3000), 1]]),
    };
  };
  const phases = scheme.phases.map((steps) => {
    const more = [...steps];
    for (let i = random.between(1, 4); i > 0; i--) more.splice(random.int(more.length + 1), 0, make());
    return more;
  });
  return { ...scheme, phases };
}

/** Lines of an ignore file about names that are there. */
function rules(random: SeededRandom, names: readonly string[]): string {
  const line = () => {
    const [name, other] = [random.pick(names), random.pick(names)];
    return random.weighted([
      [name, 6],
      [`${name}/`, 3],
      [`/${name}`, 3],
      [`${name}/${other}`, 2],
      [`!${name}`, 2],
      [`!${name}/`, 1],
      [`**/${name}/${other}`, 1],
      [`${name}/**`, 1],
      [`${name.slice(0, 1)}*`, 1],
      ["*\n!*/", 0.5],
      ["?", 0.5],
    ]);
  };
  return Array.from({ length: random.between(1, 3) }, line).join("\n");
}

/** How often a kind is part of a run. What spoils much of the other checks is rarer. */
function chanceOf(name: Operation | Action): number {
  if (name === "loseState" || name === "fillDisk" || name === "join" || name === "many") return 0.2;
  return name === "skew" || name === "blackHole" ? 0.3 : 0.6;
}

function randomPath(random: SeededRandom, names: readonly string[]): string {
  const depth = random.weighted([[1, 6], [2, 3], [3, 1]] as const);
  return Array.from({ length: depth }, () => random.pick(names)).join("/");
}

function randomSize(random: SeededRandom, large: boolean): number {
  const sizes = random.weighted([[SMALL, 30], [MIDDLE, 1], [BOUND, large ? 6 : 0.3], [LARGE, large ? 3 : 0]]);
  return random.pick(sizes);
}

/** How wrong a clock is set by `n`, ms. */
export function skewOf(n: number): number {
  return [-YEAR_MS, 0, 10 * YEAR_MS, -3_600_000, 5000][n % 5]!;
}
