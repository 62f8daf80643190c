import { assertEquals } from "@std/assert";
import { parsePath } from "../core/path.ts";
import { ManualClock } from "../tests/fakes/manual_clock.ts";
import { MemDisk } from "../tests/fakes/mem_disk.ts";
import { type IgnoreSettings, RuleFilesOnDisk } from "./rule_files.ts";

const PLAIN: IgnoreSettings = { excludes: "", excludesSource: ".fsync/exclude", builtin: false, git: false };

/** A folder with rules, read as a look reads them. */
class Folder {
  readonly clock = new ManualClock();
  readonly disk = new MemDisk({ clock: () => this.clock.now() });
  settings = PLAIN;
  readonly files = new RuleFilesOnDisk(this.disk, this.clock, () => this.settings);

  /** Writes rules that have been there for a while. */
  async put(rules: Readonly<Record<string, string>>): Promise<this> {
    for (const [path, text] of Object.entries(rules)) {
      const slash = path.lastIndexOf("/");
      if (slash > 0) this.disk.user.mkdir(path.slice(0, slash));
      this.disk.user.write(path, text);
    }
    await this.clock.advance(1000);
    return this;
  }

  /** Enters the root and these directories, as a walk does. Returns what is wrong with their rules. */
  walk(...dirs: string[]): string[] {
    this.files.begin();
    return [null, ...dirs.map(parsePath)].flatMap((dir) => {
      const entered = this.files.enter(dir, this.disk.list(dir));
      return "trouble" in entered ? [`${entered.trouble}: ${entered.reason}`] : [];
    });
  }

  ignored(...paths: string[]): string[] {
    return paths.filter((path) => this.files.rules.isIgnored(parsePath(path), false));
  }
}

Deno.test("rule files: rules are read where a walk meets them, and anew when they change", async () => {
  const folder = await new Folder().put({ ".fsyncignore": "*.a", "d/.fsyncignore": "*.b", "d/x": "" });
  assertEquals(folder.walk("d"), []);
  assertEquals(folder.ignored("x.a", "x.b", "d/x.b"), ["x.a", "d/x.b"]);
  assertEquals(folder.files.takeChange(), { sources: [".fsyncignore", "d/.fsyncignore"], before: null });
  folder.walk("d");
  assertEquals(folder.files.takeChange(), null);

  await folder.put({ ".fsyncignore": "*.c" });
  assertEquals(folder.walk("d"), []);
  assertEquals(folder.ignored("x.a", "x.c", "d/x.b"), ["x.c", "d/x.b"]);
  assertEquals(folder.files.wasIgnored(parsePath("x.a"), false), true);
  assertEquals(folder.files.takeAffectsKnown(), true);
  assertEquals(folder.files.takeChange()?.sources, [".fsyncignore"]);
});

Deno.test("rule files: other times and the same text are no change", async () => {
  const folder = await new Folder().put({ ".fsyncignore": "*.a" });
  folder.walk();
  folder.files.takeChange();
  await folder.put({ ".fsyncignore": "*.a" });
  assertEquals(folder.walk(), []);
  assertEquals(folder.files.takeChange(), null);
});

Deno.test("rule files: what was written a moment ago is not gone by yet, unless it is known to be whole", async () => {
  const folder = await new Folder().put({ ".fsyncignore": "*.a" });
  folder.walk();
  folder.disk.user.write(".fsyncignore", "");
  assertEquals(folder.walk(), ['unsteady: ".fsyncignore" is just being written']);
  assertEquals(folder.ignored("x.a"), ["x.a"]);
  assertEquals(folder.files.refresh(null, true), null);
  assertEquals(folder.ignored("x.a"), []);
});

Deno.test("rule files: what is too much, or may not be read, is no rule and no absence of one", async () => {
  const large = "# padding\n".repeat(14_000);
  const folder = await new Folder().put({
    "large/.fsyncignore": large,
    "many/.fsyncignore": "x\n".repeat(4001),
    "shut/.fsyncignore": "y",
    "just/.fsyncignore": "x\n".repeat(4000),
  });
  folder.disk.fault = (op, path) => op === "open" && path === "shut/.fsyncignore" ? "permission" : null;
  assertEquals(folder.walk("large", "many", "shut", "just"), [
    "unusable: it is larger than 128 KiB",
    "unusable: it has more than 4000 rules",
    "unusable: injected (permission)",
  ]);
});

Deno.test("rule files: a directory or a link of that name is no rule file", async () => {
  const folder = await new Folder().put({ "d/.fsyncignore/x": "", "e/rules": "*" });
  folder.disk.user.symlink("rules", "e/.fsyncignore");
  assertEquals(folder.walk("d", "e"), []);
  assertEquals(folder.ignored("d/a", "e/a"), []);
});

Deno.test("rule files: what this device adds is asked for anew at each look", async () => {
  const folder = await new Folder().put({ ".gitignore": "*.git", "d/.gitignore": "*.deep" });
  const paths = ["x.git", "d/x.deep", "x.own", "x~"];
  folder.walk("d");
  assertEquals(folder.ignored(...paths), []);
  folder.files.takeChange();

  folder.settings = { ...PLAIN, git: true };
  folder.walk("d");
  assertEquals(folder.ignored(...paths), ["x.git", "d/x.deep"]);
  assertEquals(folder.files.takeChange()?.sources, [".gitignore files", ".gitignore", "d/.gitignore"]);

  folder.settings = { ...PLAIN, excludes: "*.own", builtin: true };
  folder.walk("d");
  assertEquals(folder.ignored(...paths), ["x.own", "x~"]);
  assertEquals(folder.files.takeChange()?.sources, [
    ".fsync/exclude",
    "the built-in rules",
    ".gitignore files",
  ]);

  folder.settings = { ...PLAIN, git: true };
  folder.walk("d");
  assertEquals(folder.ignored(...paths), ["x.git", "d/x.deep"]);
});

Deno.test("rule files: rules go with their directory", async () => {
  const folder = await new Folder().put({ "d/e/.fsyncignore": "x", "f/.fsyncignore": "x" });
  folder.walk("d", "d/e", "f");
  folder.files.takeChange();
  folder.files.forget(parsePath("d"));
  assertEquals(folder.ignored("d/e/x", "f/x"), ["f/x"]);
  folder.disk.user.removeTree("f");
  folder.walk();
  folder.files.forgetOthers(() => false);
  assertEquals(folder.ignored("d/e/x", "f/x"), []);
});

Deno.test("rule files: rules above a path can be had without a walk", async () => {
  const folder = await new Folder().put({ ".fsyncignore": "*.a", "d/.fsyncignore": "!*.a", "d/e/f": "" });
  assertEquals(folder.files.ensure(parsePath("d/e/x.a")), null);
  assertEquals(folder.ignored("x.a", "d/e/x.a"), ["x.a"]);
});
