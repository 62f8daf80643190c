import type { Entry } from "./_catalogue.ts";
import { groupsOf } from "./_completion_bash.ts";
import type { FlagUsage, Slot } from "./_usage.ts";

/** The completion script for fish 3. */
export function fishCompletion(entries: readonly Entry[]): string {
  const topics = [...entries.map(({ name }) => name), ...groupsOf(entries)].join(" ");
  return `# fish completion for fsync. Made by "fsync completion fish".

function __fsync_words
    set -l words (commandline -opc)
    for word in $words[2..-1]
        string match -q -- '-*' $word; or echo $word
    end
end

# Whether the command is the first argument, and one of the verbs that may follow was given.
function __fsync_at
    set -l words (__fsync_words)
    test "$words[1]" = "$argv[1]"; or return 1
    test (count $argv) -eq 1; and return 0
    for verb in $argv[2..-1]
        contains -- $verb $words[2..-1]; and return 0
    end
    return 1
end

complete -c fsync -f
${entries.map(({ name, command }) => first(name, command.summary)).join("\n")}
${first("help", "the help page of a command or group")}
complete -c fsync -n '__fsync_at help' -a ${quote(topics)}
${entries.flatMap(commandLines).join("\n")}
`;
}

function first(name: string, summary: string): string {
  return `complete -c fsync -n 'test -z "$(__fsync_words)"' -a ${name} -d ${quote(summary)}`;
}

function commandLines({ name, usage }: Entry): string[] {
  const verbs = usage.forms.flatMap(({ verb }) => verb ?? []);
  const flags = usage.flags.map((flag) => `complete -c fsync -n '__fsync_at ${name}' ${flagWords(flag)}`);
  const choice = verbs.length === 0 ? [] : [
    `complete -c fsync -n '__fsync_at ${name}; and test (count (__fsync_words)) -eq 1' -a ${
      quote(verbs.join(" "))
    }`,
  ];
  const slots = usage.forms.flatMap(({ verb, slots }) => {
    const at = verb === null ? name : `${name} ${verb}`;
    return slots.flatMap((slot) => offer(slot)).map((words) =>
      `complete -c fsync -n '__fsync_at ${at}' ${words}`
    );
  });
  return [...flags, ...choice, ...new Set(slots)];
}

function flagWords({ name, help, slot }: FlagUsage): string {
  const text = `-l ${name} -d ${quote(help)}`;
  if (slot === null) return text;
  const [words] = offer(slot);
  if (slot.kind === "file" && slot.choices.length === 0) return `${text} -r -F`;
  return words === undefined ? `${text} -x` : `${text} -x ${words}`;
}

function offer({ kind, choices }: Slot): string[] {
  if (choices.length > 0) return [`-a ${quote(choices.join(" "))}`];
  if (kind === "file") return ["-F"];
  return kind === "dir" ? ["-a '(__fish_complete_directories (commandline -ct))'"] : [];
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
