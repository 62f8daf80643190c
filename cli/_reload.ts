/** SIGHUP: the configuration file is read again, for what can change while the program runs. */
import type { Context } from "./_command.ts";
import { explain } from "./_exit.ts";

/**
 * Calls `apply` with the arguments read anew, flags and environment as before, whenever SIGHUP comes; a file that is
 * wrong changes nothing, and is told. @returns a function that stops it
 */
export function onReload(context: Context, apply: (context: Context) => void): () => void {
  const reload = async () => {
    try {
      apply(await context.again());
      context.output.info("Settings read again");
    } catch (error) {
      const explained = explain(error);
      if (explained === null) throw error;
      context.output.error(`${explained.message}; the settings stay as they were`, explained.hint);
    }
  };
  const listener = () => void reload();
  Deno.addSignalListener("SIGHUP", listener);
  return () => Deno.removeSignalListener("SIGHUP", listener);
}
