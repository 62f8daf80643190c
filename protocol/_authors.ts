/** The authors of a page of changes: each is sent once, and named by its place. */
import { type Reader } from "./_reader.ts";
import { readList, writeList } from "./_fields.ts";
import type { Writer } from "./_writer.ts";
import { ITEMS_MAX, NAME_TEXT_BYTES_MAX } from "./limits.ts";
import type { Author, Notice } from "./messages.ts";

/** Writes each different author once; returns the place of each notice's author. */
export function writeAuthors(w: Writer, notices: readonly Notice[]): number[] {
  const authors: Author[] = [];
  const places = new Map<string, number>();
  let last: Author | null = null;
  let place = 0;
  const placeOfNotice = notices.map(({ author }) => {
    // Neighbours mostly have the same author; only another one is worth a look-up.
    if (last !== null && author.user === last.user && author.device === last.device) return place;
    last = author;
    const key = `${author.user.length}:${author.user}${author.device}`;
    place = places.get(key) ?? authors.length;
    if (place === authors.length) {
      authors.push(author);
      places.set(key, place);
    }
    return place;
  });
  writeList(w, "the count of authors", authors, ITEMS_MAX, (w, author) => {
    w.text("the user's name", author.user, NAME_TEXT_BYTES_MAX);
    w.text("the device's name", author.device, NAME_TEXT_BYTES_MAX);
  });
  return placeOfNotice;
}

export function readAuthors(r: Reader): Author[] {
  return readList(r, "the count of authors", ITEMS_MAX, (r) => ({
    user: r.text("the user's name", NAME_TEXT_BYTES_MAX),
    device: r.text("the device's name", NAME_TEXT_BYTES_MAX),
  }));
}
