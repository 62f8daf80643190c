/** SIGINT and SIGTERM as one abort signal; a second one ends the process at once. */
import { EXIT } from "./_exit.ts";

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  end(): void;
}

export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) Deno.exit(EXIT.interrupted);
    controller.abort();
  };
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const name of signals) Deno.addSignalListener(name, stop);
  return {
    signal: controller.signal,
    end: () => {
      for (const name of signals) Deno.removeSignalListener(name, stop);
    },
  };
}
