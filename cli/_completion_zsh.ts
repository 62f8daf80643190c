import type { Entry } from "./_catalogue.ts";
import { groupsOf } from "./_completion_bash.ts";
import type { FlagUsage, Slot } from "./_usage.ts";

/** The completion function for zsh, as the file `_fsync` in a directory of `fpath`. */
export function zshCompletion(entries: readonly Entry[]): string {
  const described = [
    ...entries.map(({ name, command }) => ({ name, summary: command.summary })),
    { name: "help", summary: "the help page of a command or group" },
  ];
  const topics = [...entries.map(({ name }) => name), ...groupsOf(entries)].join(" ");
  return `#compdef fsync
# zsh completion for fsync. Made by "fsync completion zsh".

_fsync() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  local -a commands
  _arguments -C '1:command:->command' '*::argument:->argument' && return
  if [[ $state == command ]]; then
    commands=(
${described.map(({ name, summary }) => `      ${quote(`${name}:${summary}`)}`).join("\n")}
    )
    _describe -t commands 'fsync command' commands
    return
  fi
  state=
  case $words[1] in
${entries.map(commandCase).join("\n")}
    help)
      _arguments '1:topic:(${topics})'
      ;;
  esac
}

_fsync "$@"
`;
}

function commandCase({ name, usage }: Entry): string {
  const verbs = usage.forms.flatMap(({ verb }) => verb ?? []);
  const specs = usage.flags.map(flagSpec);
  const plain = usage.forms.find(({ verb }) => verb === null);
  if (verbs.length === 0) {
    specs.push(...(plain?.slots ?? []).map((slot, at) => slotSpec(slot.many ? "*" : String(at + 1), slot)));
    return lines(name, specs, []);
  }
  const first = plain?.slots[0];
  const words = [...verbs, ...(first?.choices ?? [])].join(" ");
  const path = first === undefined ? null : action({ ...first, choices: [] });
  specs.push(quote(path === null ? `1:what:(${words})` : `1:what:{compadd -- ${words}; ${path}}`));
  specs.push(quote("*:word:->rest"));
  const cases = usage.forms.flatMap(({ verb, slots }) => {
    const words = union(verb === null ? slots.slice(1) : slots);
    return [`          ${verb ?? "*"}) ${words === null ? "" : `${words} `};;`];
  });
  return lines(name, specs, [
    `      if [[ $state == rest ]]; then`,
    `        case \${words[(r)(${verbs.join("|")})]} in`,
    ...cases,
    "        esac",
    "      fi",
  ]);
}

function lines(name: string, specs: readonly string[], after: readonly string[]): string {
  return [
    `    ${name})`,
    `      _arguments \\`,
    specs.map((spec) => `        ${spec}`).join(" \\\n"),
    ...after,
    "      ;;",
  ].join("\n");
}

function flagSpec({ name, help, slot }: FlagUsage): string {
  const text = help.replaceAll(/[[\]\\:]/g, "\\$&");
  if (slot === null) return quote(`--${name}[${text}]`);
  return quote(`--${name}=[${text}]:${label(slot)}:${action(slot) ?? " "}`);
}

function slotSpec(place: string, slot: Slot): string {
  return quote(`${place}:${label(slot)}:${action(slot) ?? " "}`);
}

function label(slot: Slot): string {
  return slot.label.replaceAll(":", "\\:");
}

function action({ kind, choices }: Slot): string | null {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  if (kind === "file") return "_files";
  return kind === "dir" ? "_files -/" : null;
}

/** What the words after a verb may be; zsh is not told which of them is meant. */
function union(slots: readonly Slot[]): string | null {
  const choices = slots.flatMap((slot) => slot.choices);
  const actions = new Set(
    slots.filter((slot) => slot.choices.length === 0).flatMap((slot) => action(slot) ?? []),
  );
  const parts = [...(choices.length > 0 ? [`compadd -- ${choices.join(" ")}`] : []), ...actions];
  return parts.length === 0 ? null : parts.join("; ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
