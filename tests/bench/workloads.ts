/** What is measured, in which order. A step works on what the steps before it left. */
import { generateLargeFile, generateTree, insertByte } from "./generate.ts";
import { mustRun } from "./process.ts";
import type { Measurement, Rig } from "./rig.ts";
import { firstDifference } from "./tree.ts";

export interface Sizes {
  /** A tree to take for the small files; `null` for a generated one. */
  readonly tree: string | null;
  /** Files in a generated tree. */
  readonly files: number;
  /** Bytes of the large file. */
  readonly largeBytes: number;
  readonly seed: bigint;
}

/** One contender's folders in one repeat. */
export interface Place {
  readonly rig: Rig;
  /** For what is neither the client's nor the server's. */
  readonly dir: string;
  /** The first client's folder. */
  readonly client: string;
}

export interface Step {
  readonly name: string;
  readonly title: string;
  /** Whether later steps need what this one does. */
  readonly needed: boolean;
  /** How often it is measured in one repeat. */
  readonly times: number;
  readonly measure: (place: Place) => Promise<Measurement>;
}

export interface Scenario {
  /** Makes what is synced, once; each contender gets a copy of `source` for each repeat. */
  readonly makeSource: (source: string, sizes: Sizes) => Promise<void>;
  readonly steps: readonly Step[];
}

/** A short pass is soon measured again. */
const NO_CHANGE_TIMES = 3;
/** "Near its start": far enough for a header before it. Bytes. */
const INSERT_AT = 100;
const TREE = "tree";
const LARGE = "large.bin";

const smallFiles: Scenario = {
  makeSource: async (source, { tree, files, seed }) => {
    if (tree === null) generateTree(`${source}/${TREE}`, { files, seed });
    else await mustRun("cp", "-a", tree, `${source}/${TREE}`);
  },
  steps: [
    {
      name: "first-sync",
      title: "small files, first sync up",
      needed: true,
      times: 1,
      measure: up,
    },
    {
      name: "fresh-client",
      title: "small files, down to a fresh client",
      needed: false,
      times: 1,
      measure: downFresh,
    },
    {
      name: "no-change",
      title: "small files, pass without a change",
      needed: false,
      times: NO_CHANGE_TIMES,
      measure: up,
    },
    {
      name: "rename",
      title: "their directory renamed",
      needed: true,
      times: 1,
      measure: async (place) => {
        Deno.renameSync(`${place.client}/${TREE}`, `${place.client}/renamed`);
        return await up(place);
      },
    },
  ],
};

const largeFile: Scenario = {
  makeSource: async (source, { largeBytes, seed }) => {
    await Promise.resolve(generateLargeFile(`${source}/${LARGE}`, largeBytes, seed));
  },
  steps: [
    { name: "large-up", title: "large file, up", needed: true, times: 1, measure: up },
    {
      name: "large-down",
      title: "large file, down to a fresh client",
      needed: false,
      times: 1,
      measure: downFresh,
    },
    {
      name: "insert",
      title: "one byte inserted near its start",
      needed: true,
      times: 1,
      measure: async (place) => {
        insertByte(`${place.client}/${LARGE}`, INSERT_AT, `${place.dir}/aside`);
        return await up(place);
      },
    },
  ],
};

export const SCENARIOS: readonly Scenario[] = [smallFiles, largeFile];

async function up({ rig, client }: Place): Promise<Measurement> {
  await quiet(rig);
  const measurement = await rig.up(client);
  mustBeEqual(rig, client);
  return measurement;
}

async function downFresh({ rig, dir }: Place): Promise<Measurement> {
  const fresh = `${dir}/fresh`;
  Deno.mkdirSync(fresh);
  await quiet(rig);
  const measurement = await rig.down(fresh);
  mustBeEqual(rig, fresh);
  Deno.removeSync(fresh, { recursive: true });
  return measurement;
}

/** What was written before must not be written out, nor anything be tidied up, while the next thing is measured. */
async function quiet(rig: Rig): Promise<void> {
  await rig.rest();
  await mustRun("sync");
}

function mustBeEqual({ name, serverTree }: Rig, client: string): void {
  const difference = firstDifference(client, serverTree);
  if (difference !== null) throw new Error(`${name} did not do the work: ${difference}`);
}
