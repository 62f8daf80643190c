/** Holds docs/security.md to the sources: every test that it names is there, every claim names one, every number is true. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const PAGE = "docs/security.md";
const REFERENCE = /`([\w./-]+\.ts)`((?: "[^"]+")*)/g;

const page = Deno.readTextFileSync(ROOT + PAGE);

/** Tables of the page whose head has this cell, with the cells of their rows. */
function rowsUnder(head: string): string[][] {
  const rows: string[][] = [];
  let inside = false;
  for (const line of page.split("\n")) {
    const cells = line.startsWith("|") ? line.slice(1, -1).split("|").map((cell) => cell.trim()) : [];
    if (cells.length === 0) inside = false;
    else if (cells.includes(head)) inside = true;
    else if (inside && !/^-+$/.test(cells[0]!)) rows.push(cells);
  }
  return rows;
}

function source(file: string): string {
  try {
    return Deno.readTextFileSync(ROOT + file);
  } catch {
    throw new Error(`${PAGE} names ${file}, which is not there`);
  }
}

Deno.test("docs/security.md names only tests that are there", () => {
  let named = 0;
  for (const [, file, names] of page.matchAll(REFERENCE)) {
    const text = source(file!);
    for (const [, name] of names!.matchAll(/"([^"]+)"/g)) {
      assert(text.includes(name!), `${PAGE} names the test "${name}", which is not in ${file}`);
      named++;
    }
  }
  assert(named > 100, `only ${named} names were read`);
});

Deno.test("each claim of docs/security.md names a test, or the table that does", () => {
  const rows = rowsUnder("held by");
  assert(rows.length > 60, `only ${rows.length} claims were read`);
  for (const cells of rows) {
    const held = cells.at(-1)!;
    const named = [...held.matchAll(REFERENCE)].some(([, , names]) => names !== "");
    assert(named || held.startsWith("table below"), `nothing holds: ${cells[0]}`);
  }
});

Deno.test("docs/security.md has a row for each row that a hostile test is named for", () => {
  const rows = rowsUnder("row").map(([row]) => row);
  const tested = new Set<string>();
  for (const { name } of Deno.readDirSync(`${ROOT}tests/hostile`)) {
    if (!name.endsWith("_test.ts")) continue;
    for (const [row] of source(`tests/hostile/${name}`).matchAll(/\bM[CS]\d\d\b/g)) tested.add(row);
  }
  assertEquals([...tested].filter((row) => !rows.includes(row)), []);
  assertEquals(new Set(rows).size, rows.length);
});

const UNITS = new Map([
  ...["B", "KiB", "MiB", "GiB", "TiB"].map((unit, power) => [unit, 1024 ** power] as const),
  ["ms", 1],
  ["s", 1000],
  ["min", 60_000],
]);

Deno.test("the limits in docs/security.md are those of the sources", () => {
  const rows = rowsUnder("number");
  assert(rows.length > 15, `only ${rows.length} limits were read`);
  for (const [what, number, place] of rows) {
    const [, digits, unit = ""] = /^([\d,]+)(?: (\w+))?$/.exec(number!)!;
    const [, file, constant] = /^`(.+)` `(\w+)`$/.exec(place!)!;
    const value = Number(digits!.replaceAll(",", "")) * (unit === "" ? 1 : UNITS.get(unit)!);
    assertEquals(valueOf(constant!, source(file!)), value, what);
  }
});

/** The value of a constant that is a product or a power of numbers. */
function valueOf(constant: string, text: string): number {
  const expression = new RegExp(`const ${constant} = ([\\d_*\\s]+);`).exec(text)?.[1];
  assert(expression !== undefined, `${constant} is no constant of numbers`);
  return expression.replaceAll("_", "").split(/(?<!\*)\*(?!\*)/).reduce((product, factor) => {
    const [base, power = "1"] = factor.split("**");
    return product * Number(base) ** Number(power);
  }, 1);
}
