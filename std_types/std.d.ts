/**
 * The types of what is used of the Deno standard library. `npm:deno-std` ships plain JavaScript; these declarations
 * give it the types that the same names have on JSR, so that moving there is a change of `deno.json` alone.
 *
 * `deno.json` names this file in `compilerOptions.types`. `std_test.ts` beside it proves that wrong use is an error and
 * that every declared name exists.
 */

declare module "@std/assert" {
  type Falsy = false | 0 | 0n | "" | null | undefined;
  type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

  export class AssertionError extends Error {
    constructor(message: string, options?: ErrorOptions);
  }
  /** Deep equality, as the assertions below understand it. */
  export function equal(a: unknown, b: unknown): boolean;

  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;
  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  export function assertInstanceOf<T>(
    actual: unknown,
    expectedType: abstract new (...args: never[]) => T,
    msg?: string,
  ): asserts actual is T;
  export function assertNotInstanceOf<A, T>(
    actual: A,
    unexpectedType: abstract new (...args: never[]) => T,
    msg?: string,
  ): asserts actual is Exclude<A, T>;

  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T;
  export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertObjectMatch(actual: object, expected: object, msg?: string): void;

  /** @param tolerance defaults to one ten-millionth of `expected` */
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    msg?: string,
  ): void;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertArrayIncludes<T>(actual: ArrayLike<T>, expected: ArrayLike<T>, msg?: string): void;

  export function assertIsError<E extends Error = Error>(
    error: unknown,
    ErrorClass?: ErrorClass<E>,
    msgMatches?: string | RegExp,
    msg?: string,
  ): asserts error is E;
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    ErrorClass: ErrorClass<E>,
    msgIncludes?: string,
    msg?: string,
  ): E;
  export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    ErrorClass: ErrorClass<E>,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;

  export function fail(msg?: string): never;
  export function unimplemented(msg?: string): never;
  export function unreachable(msg?: string): never;
}

declare module "@std/cli/parse-args" {
  type Names<N extends string> = N | readonly N[];

  export interface ParseOptions<
    B extends string = string,
    S extends string = string,
    C extends string = string,
    N extends string = string,
    D extends object = object,
    Rest extends boolean = boolean,
  > {
    /** Puts what follows `--` into `"--"` instead of `_`. */
    "--"?: Rest;
    alias?: { readonly [name: string]: string | readonly string[] };
    /** Flags without a value. A name with a dot is not typed. */
    boolean?: Names<B>;
    default?: D;
    /** Stops at the first argument that is no flag. */
    stopEarly?: boolean;
    /** Flags whose value stays text, also when it looks like a number. `"_"` means the arguments that are no flags. */
    string?: Names<S>;
    /** Flags that may be repeated: all values, in order. */
    collect?: Names<C>;
    /** Flags that `--no-<flag>` sets to false. */
    negatable?: Names<N>;
    /** Sees each undeclared flag and each other argument; `false` leaves it out. */
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }

  type Default<D, K> = K extends keyof D ? D[K] : undefined;
  type Text<K, C, N, D> = K extends C ? string[]
    : string | Default<D, K> | (K extends N ? false : never);

  /** The flags found. A flag that was not declared is `unknown`. */
  export type Args<
    B extends string = string,
    S extends string = string,
    C extends string = never,
    N extends string = never,
    D extends object = object,
    Rest extends boolean = false,
  > =
    & { _: ("_" extends S ? string : string | number)[] }
    & { [K in Exclude<S, "_">]: Text<K, C, N, D> }
    & { [K in B]: K extends C ? boolean[] : boolean }
    & { [K in Exclude<C, S | B>]: unknown }
    & (Rest extends true ? { "--": string[] } : unknown)
    & { [flag: string]: unknown };

  export function parseArgs<
    const B extends string = never,
    const S extends string = never,
    const C extends string = never,
    const N extends string = never,
    // deno-lint-ignore ban-types -- `object` would make every flag look as if it had a default
    const D extends object = {},
    Rest extends boolean = false,
  >(args: readonly string[], options?: ParseOptions<B, S, C, N, D, Rest>): Args<B, S, C, N, D, Rest>;
}

declare module "@std/path" {
  export interface ParsedPath {
    root: string;
    dir: string;
    base: string;
    ext: string;
    name: string;
  }

  export const DELIMITER: ":" | ";";
  export const SEPARATOR: "/" | "\\";
  export const SEPARATOR_PATTERN: RegExp;

  export function basename(path: string | URL, suffix?: string): string;
  /** The longest directory prefix, with its last separator; empty if there is none. */
  export function common(paths: Iterable<string>): string;
  export function dirname(path: string | URL): string;
  export function extname(path: string | URL): string;
  export function format(pathObject: Partial<ParsedPath>): string;
  export function fromFileUrl(url: string | URL): string;
  export function isAbsolute(path: string): boolean;
  export function join(path: string | URL, ...paths: string[]): string;
  export function normalize(path: string | URL): string;
  export function parse(path: string): ParsedPath;
  export function relative(from: string, to: string): string;
  export function resolve(...pathSegments: string[]): string;
  export function toFileUrl(path: string): URL;
}

declare module "@std/text" {
  interface CompareOptions {
    /** Defaults to false. */
    caseSensitive?: boolean;
    /** Distance of two words; defaults to {@link levenshteinDistance}. */
    compareFn?: (a: string, b: string) => number;
  }

  export function levenshteinDistance(str1: string, str2: string): number;
  /** @throws {TypeError} if there are no possible words */
  export function closestString(
    givenWord: string,
    possibleWords: readonly string[],
    options?: CompareOptions,
  ): string;
  /** A comparator for `sort`: the word most similar to `givenWord` comes first. */
  export function compareSimilarity(
    givenWord: string,
    options?: CompareOptions,
  ): (a: string, b: string) => number;
  export function wordSimilaritySort(
    givenWord: string,
    possibleWords: readonly string[],
    options?: CompareOptions,
  ): string[];
}

declare module "@std/toml" {
  /** @throws {SyntaxError} with the line and column at which it is wrong */
  export function parse(tomlString: string): Record<string, unknown>;
}
