/** Rows for people: aligned, control characters escaped. */
import { displayPath } from "../core/path.ts";

export interface Column {
  readonly title: string;
  /** Numbers and sizes stand right. */
  readonly right?: boolean;
}

/** The lines of a table with its head; the last column is not padded. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(displayPath))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells.map((row) =>
    row.map((cell, i) => {
      if (columns[i]!.right === true) return cell.padStart(widths[i]!);
      return i === row.length - 1 ? cell : cell.padEnd(widths[i]!);
    }).join("  ").trimEnd()
  );
}
