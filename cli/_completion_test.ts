/** The completion scripts in the shells themselves; those that are not installed are left out. */
import { assertEquals } from "@std/assert";
import { catalogue } from "./_catalogue.ts";
import { completion, type Shell } from "./_completion.ts";
import { COMMANDS } from "./mod.ts";

const entries = await catalogue();
const allFlags = new Map(
  entries.map(({ name, usage }) => [name, usage.flags.map((flag) => `--${flag.name}`)]),
);

function has(shell: Shell): boolean {
  try {
    new Deno.Command(shell, { args: ["-c", "exit 0"] }).outputSync();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs `script` in `shell`, after the completion was loaded from `$1`; what it says, line by line. */
async function inShell(shell: Shell, script: string): Promise<string[]> {
  const dir = Deno.makeTempDirSync({ prefix: "fsync-completion-" });
  try {
    Deno.writeTextFileSync(`${dir}/_fsync`, completion(shell, entries));
    Deno.writeTextFileSync(`${dir}/script`, script);
    for (const name of ["docs", "my files"]) Deno.mkdirSync(`${dir}/work/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/work/draft.txt`, "");
    const flags = shell === "bash" ? ["--norc", "--noprofile"] : shell === "zsh" ? ["-f"] : ["--no-config"];
    const env = { PATH: Deno.env.get("PATH") ?? "", HOME: dir, TERM: "dumb", LC_ALL: "C.UTF-8" };
    const { success, stdout, stderr } = await new Deno.Command(shell, {
      args: [...flags, `${dir}/script`, dir],
      cwd: `${dir}/work`,
      env,
      clearEnv: true,
    }).output();
    const decoder = new TextDecoder();
    assertEquals([success, decoder.decode(stderr)], [true, ""]);
    return decoder.decode(stdout).trimEnd().split("\n");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const BASH = `
source "$1/_fsync"
compopt() { [[ \${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=("$*"); }
ask() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _fsync
  echo "\${COMPREPLY[*]}"
}
`;

function bashLine(words: readonly string[]): string {
  return `ask ${words.map((word) => `'${word}'`).join(" ")}`;
}

async function askBash(lines: readonly (readonly string[])[]): Promise<string[]> {
  const answers = await inShell("bash", BASH + lines.map(bashLine).join("\n"));
  return lines.map((_, at) => answers[at] ?? "");
}

Deno.test(
  "bash is offered every command, and its flags, and no others",
  { ignore: !has("bash") },
  async () => {
    const names = [...COMMANDS.keys()];
    const [commands, ...flags] = await askBash([["fsync", ""], ...names.map((name) => ["fsync", name, "-"])]);
    assertEquals(commands!.split(" "), [...names, "help"]);
    assertEquals(new Map(names.map((name, at) => [name, flags[at]!.split(" ")])), allFlags);
  },
);

Deno.test("bash completes words, values and paths by the usage line", { ignore: !has("bash") }, async () => {
  const cases: [string[], string][] = [
    [["fsync", "sync"], "sync-all"],
    [["fsync", "conflicts", ""], "list show resolve"],
    [["fsync", "conflicts", "re"], "resolve"],
    [["fsync", "conflicts", "list", ""], ""],
    [["fsync", "conflicts", "show", ""], "-o default"],
    [["fsync", "conflicts", "show", "a", ""], ""],
    [["fsync", "conflicts", "--dir", "list", ""], "list show resolve"],
    [["fsync", "conflicts", "--keep", ""], "mine theirs both"],
    [["fsync", "conflicts", "--keep", "=", "m"], "mine"],
    [["fsync", "conflicts", "--keep", "="], "mine theirs both"],
    [["fsync", "conflicts", "--data", "x"], "-o dirnames"],
    [["fsync", "restore", "--to", ""], "-o default"],
    [["fsync", "watch", "--server", "nas", ":", "1", ""], "-o dirnames"],
    [["fsync", "watch", "--server", "n"], ""],
    [["fsync", "--json", "watch", ""], "-o dirnames"],
    [["fsync", "watch", "dir", ""], ""],
    [["fsync", "upload", "a", "b", ""], "-o default"],
    [["fsync", "prune", ""], ""],
    [["fsync", "grant", ""], "list"],
    [["fsync", "grant", "x"], "-o default"],
    [["fsync", "grant", "docs", "--user", "ben", "r"], "read"],
    [["fsync", "member"], ""],
    [["fsync", "group", "member", "staff", ""], "add remove"],
    [["fsync", "help", "hist"], "history"],
    [["fsync", "frobnicate", ""], ""],
  ];
  const answers = await askBash(cases.map(([words]) => words));
  assertEquals(cases.map(([words], at) => [words, answers[at]]), cases);
});

Deno.test("fish is offered every command, its flags, words and paths", { ignore: !has("fish") }, async () => {
  const names = [...COMMANDS.keys()];
  const questions = [
    "fsync ",
    ...names.map((name) => `fsync ${name} --`),
    "fsync conflicts ",
    "fsync conflicts show d",
    "fsync watch ",
    "fsync conflicts --keep ",
    "fsync prune ",
  ];
  const script = `source $argv[1]/_fsync
for line in ${questions.map((question) => `'${question}'`).join(" ")}
  complete -C $line | string replace -r '\\t.*' '' | sort | string join ,
  echo ==
end`;
  const answers = (await inShell("fish", script)).join("\n").split(/\n*==\n?/);
  assertEquals(answers.shift(), [...names, "help"].sort().join(","));
  assertEquals(
    new Map(names.map((name) => [name, answers.shift()!.split(",")])),
    new Map([...allFlags].map(([name, flags]) => [name, flags.toSorted()])),
  );
  assertEquals(answers.slice(0, 5), [
    "list,resolve,show",
    "docs/,draft.txt",
    "docs/,my files/",
    "both,mine,theirs",
    "",
  ]);
});

/**
 * Completion works only in the line editor of a zsh with a terminal of its own. The editor is never left between two
 * questions: what is typed while it starts again could get lost.
 */
const ZSH = `
zmodload zsh/zpty
cat > $1/setup.zsh <<'SETUP'
PS1= PROMPT_EOL_MARK=
fpath=($1 $fpath)
autoload -U compinit
compinit -u -D
compadd() {
  local -a hits
  if (( ! \${argv[(I)-[OAD]]} )); then
    builtin compadd -O hits "$@"
    print -rl -- $hits >> $answers
  fi
  builtin compadd "$@"
}
ready() { print -r -- READY }
answered() { BUFFER=; print -r -- ANSWERED }
zle -N zle-line-init ready
zle -N answered
bindkey '^Xa' answered
SETUP
answers=$1/answers
zpty shell zsh -f -i
zpty -w shell "answers=$answers; source $1/setup.zsh $1"
zpty -r shell said '*READY*'
ask() {
  : > $answers
  zpty -n -w shell "$1"$'\\t\\C-Xa'
  zpty -r shell said '*ANSWERED*'
  print -r -- \${(j:,:)\${(f)"$(<$answers)"}}
}
`;

Deno.test("zsh is offered every command, its flags, words and paths", { ignore: !has("zsh") }, async () => {
  const names = [...COMMANDS.keys()];
  const questions = [
    "fsync ",
    ...names.map((name) => `fsync ${name} --`),
    "fsync conflicts ",
    "fsync conflicts show d",
    "fsync grant ",
    "fsync grant list ",
    "fsync group member staff ",
  ];
  const script = ZSH + questions.map((question) => `ask ${JSON.stringify(question)}`).join("\n");
  const answers = (await inShell("zsh", script)).map((line) => line.split(","));
  assertEquals(answers.shift(), [...names, "help"]);
  assertEquals(
    new Map(names.map((name) => [name, answers.shift()!.toSorted()])),
    new Map([...allFlags].map(([name, flags]) => [name, flags.toSorted()])),
  );
  assertEquals(answers.map((offered) => offered.toSorted()), [
    ["list", "resolve", "show"],
    ["docs", "draft.txt"],
    ["docs", "draft.txt", "list", "my\\ files"],
    [""],
    ["add", "remove"],
  ]);
});
