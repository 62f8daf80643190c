/**
 * What nobody wants on another machine: files that programs keep beside a document only while it is open, or while they
 * save it. A name that people give to files of their own is not here, however temporary it sounds (`*.tmp`, `*.part`,
 * `*.bak`): not to sync somebody's file is worse than to sync one too many.
 */
import { RuleSet } from "./ignore_rules.ts";

export interface BuiltinIgnore {
  readonly pattern: string;
  readonly reason: string;
}

export const BUILTIN_IGNORES: readonly BuiltinIgnore[] = [
  { pattern: ".*.sw[a-p]", reason: "Vim and nano: swap file of an open document" },
  { pattern: "?*~", reason: "Emacs, Vim, gedit and others: the text before the last save" },
  { pattern: ".#?*", reason: "Emacs: lock of an open document, a link to nowhere" },
  { pattern: "\\#?*#", reason: "Emacs: automatic save of an open document" },
  { pattern: ".~lock.*#", reason: "LibreOffice: lock of an open document" },
  { pattern: "~$?*", reason: "Microsoft Office: who has the document open" },
  { pattern: ".*.kate-swp", reason: "Kate: swap file of an open document" },
  { pattern: "*___jb_tmp___", reason: "JetBrains: a save under way" },
  { pattern: "*___jb_old___", reason: "JetBrains: a save under way" },
  { pattern: ".goutputstream-*", reason: "GNOME: a save under way" },
  { pattern: "*.crdownload", reason: "Chrome and Chromium: a download under way" },
  { pattern: ".nfs0000*", reason: "NFS: a deleted file that a program still has open" },
  { pattern: ".fuse_hidden*", reason: "FUSE: a deleted file that a program still has open" },
];

export const BUILTIN_SOURCE = "built-in";

let rules: RuleSet | null = null;

export function builtinRules(): RuleSet {
  return rules ??= new RuleSet(
    BUILTIN_SOURCE,
    BUILTIN_IGNORES.map(({ pattern }) => pattern).join("\n"),
    null,
  );
}
