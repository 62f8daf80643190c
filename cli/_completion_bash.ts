import type { Entry } from "./_catalogue.ts";
import type { Form, Slot } from "./_usage.ts";

/** The completion script for bash 4 and later. It needs nothing of bash-completion but to be loaded by it. */
export function bashCompletion(entries: readonly Entry[]): string {
  const names = entries.map(({ name }) => name);
  return `# bash completion for fsync. Made by "fsync completion bash".

_fsync_command() {
  flags= valued= verbs=
  case $1 in
${entries.map(commandCase).join("\n")}
  esac
}

_fsync_value() {
  case $1 in
${entries.flatMap(valueCases).join("\n")}
  esac
}

_fsync_word() {
  case $1 in
${entries.flatMap(wordCases).join("\n")}
    help//0) _fsync_words '${[...names, ...groupsOf(entries)].join(" ")}' ;;
  esac
}

_fsync_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

# Bash itself knows best how to complete and quote a path.
_fsync_files() {
  compopt -o default
}

_fsync_dirs() {
  compopt -o dirnames
}

_fsync() {
  local cur=\${COMP_WORDS[COMP_CWORD]} word flag= command= verb= flags= valued= verbs=
  local -i at count=0
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    # Bash breaks words at these two.
    if [[ $word == = ]]; then continue; fi
    if [[ $word == : ]]; then at+=1; continue; fi
    if [[ -n $flag ]]; then
      flag=
    elif [[ $word == -* ]]; then
      if [[ " $valued " == *" $word "* ]]; then flag=$word; fi
    elif [[ -z $command ]]; then
      command=$word
      _fsync_command "$command"
    elif [[ -z $verb && $count -eq 0 && " $verbs " == *" $word "* ]]; then
      verb=$word
    else
      count+=1
    fi
  done
  if [[ $cur == = ]]; then cur=; fi
  if [[ -n $flag ]]; then
    _fsync_value "$command/$flag"
  elif [[ -z $command ]]; then
    _fsync_words '${[...names, "help"].join(" ")}'
  elif [[ $cur == -* ]]; then
    _fsync_words "$flags"
  else
    _fsync_word "$command/$verb/$count"
  fi
}

complete -F _fsync fsync
`;
}

/** The groups that `fsync help` knows. */
export function groupsOf(entries: readonly Entry[]): string[] {
  return [...new Set(entries.flatMap(({ group }) => group ?? []))];
}

function commandCase({ name, usage }: Entry): string {
  const words = (flags: readonly { readonly name: string }[]) =>
    flags.map((flag) => `--${flag.name}`).join(" ");
  const valued = words(usage.flags.filter(({ slot }) => slot !== null));
  const verbs = usage.forms.flatMap(({ verb }) => verb ?? []).join(" ");
  return `    ${name}) flags='${words(usage.flags)}' valued='${valued}' verbs='${verbs}' ;;`;
}

function valueCases({ name, usage }: Entry): string[] {
  return usage.flags.flatMap((flag) => {
    const action = flag.slot === null ? null : offer(flag.slot);
    return action === null ? [] : [`    ${name}/--${flag.name}) ${action} ;;`];
  });
}

function wordCases({ name, usage }: Entry): string[] {
  const verbs = usage.forms.flatMap(({ verb }) => verb ?? []);
  const cases = usage.forms.flatMap((form) => slotCases(name, form, form.verb === null ? verbs : []));
  const alone = usage.forms.some(({ verb }) => verb === null);
  if (alone || verbs.length === 0) return cases;
  return [`    ${name}//0) _fsync_words '${verbs.join(" ")}' ;;`, ...cases];
}

/** One case for each place; `verbs` are offered beside the first. */
function slotCases(name: string, { verb, slots }: Form, verbs: readonly string[]): string[] {
  const places = slots.length === 0 && verbs.length > 0 ? [NOTHING] : slots;
  return places.flatMap((slot, at) => {
    const choices = at === 0 ? [...slot.choices, ...verbs] : slot.choices;
    const action = offer({ ...slot, choices });
    return action === null ? [] : [`    ${name}/${verb ?? ""}/${slot.many ? "*" : at}) ${action} ;;`];
  });
}

const NOTHING: Slot = { kind: "text", label: "", choices: [], many: false };

/** Bash turns to paths where no word fits. */
function offer({ kind, choices }: Slot): string | null {
  const actions = [
    ...(choices.length > 0 ? [`_fsync_words '${choices.join(" ")}'`] : []),
    ...(kind === "file" ? ["_fsync_files"] : kind === "dir" ? ["_fsync_dirs"] : []),
  ];
  return actions.length === 0 ? null : actions.join("; ");
}
