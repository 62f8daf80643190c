import type { Note } from "../../client/begun.ts";
import type { MemState } from "../fakes/mem_state.ts";

/** Paths of what a machine sent without an answer that is written down. After a power cut that is not recognised. */
export function unansweredIn(state: MemState): string[] {
  return state.begun().flatMap(([, text]) => {
    const { sent = [], renames = [] } = JSON.parse(text) as Note;
    return [...sent.map(([path]) => path), ...renames.flat()];
  });
}
