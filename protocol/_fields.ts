/** How the fields of one type of message are written and read. */
import type { Reader } from "./_reader.ts";
import type { Writer } from "./_writer.ts";
import type { Message, MessageType } from "./messages.ts";

export type MessageOf<T extends MessageType> = Extract<Message, { readonly type: T }>;

export interface Fields<M extends Message> {
  /** Type on the wire. Stable: numbers are never reused. */
  readonly number: number;
  write(w: Writer, message: M): void;
  read(r: Reader): M;
}

export type FieldsOf<T extends MessageType> = { readonly [K in T]: Fields<MessageOf<K>> };

/** A message without fields. */
export function bare<M extends Message>(number: number, message: M): Fields<M> {
  return { number, write: () => {}, read: () => message };
}

/** A list: its count, bounded, then its items. */
export function writeList<T>(
  w: Writer,
  what: string,
  items: readonly T[],
  max: number,
  write: (w: Writer, item: T) => void,
): void {
  w.uint(what, items.length, max);
  for (const item of items) write(w, item);
}

export function readList<T>(r: Reader, what: string, max: number, read: (r: Reader) => T): T[] {
  const items: T[] = [];
  for (let left = r.uint(what, max); left > 0; left--) items.push(read(r));
  return items;
}
