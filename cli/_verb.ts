/** Commands whose first word says what to do. */
import { type Context, nearest } from "./_command.ts";
import { UsageError } from "./_exit.ts";

export interface Verb {
  /** How many words follow it. */
  readonly words: number | readonly [number, number];
  readonly run: (context: Context, ...words: string[]) => Promise<number>;
}

/** Does what the first word says, or `fallback` without one. @throws {UsageError} */
export async function chooseVerb(
  context: Context,
  fallback: string,
  verbs: { readonly [name: string]: Verb },
): Promise<number> {
  const { command } = context;
  const [word = fallback, ...rest] = context.words;
  const verb = new Map(Object.entries(verbs)).get(word);
  const usage = `usage: fsync ${command.name} ${command.usage}`;
  if (verb === undefined) {
    const hint = nearest(word, Object.keys(verbs), `fsync ${command.name} `) ?? usage;
    throw new UsageError(`Cannot run ${command.name}: there is no "${word}"`, hint);
  }
  const [min, max] = typeof verb.words === "number" ? [verb.words, verb.words] : verb.words;
  if (rest.length < min) {
    throw new UsageError(`Cannot run ${command.name} ${word}: something is missing`, usage);
  }
  if (rest.length > max) {
    throw new UsageError(`Cannot run ${command.name} ${word}: "${rest[max]}" is one word too many`, usage);
  }
  return await verb.run(context, ...rest);
}
