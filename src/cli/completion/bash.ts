// Generates the completion script for bash.
import type { CompletedCommand, Values } from "./describe.js";

export function bashScript(program: string, commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# Completion of ${program} for bash: source <(${program} completion bash)
_${program}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= word words= files=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in ${names.join("|")}) command=$word; break ;; esac
  done
  COMPREPLY=()
  case $command,$previous in
${commands.flatMap(valueCases).join("\n")}
    *)
      case $command,$current in
${commands.map((command) => `        ${command.name},-*) words=${quote(flagsOf(command).join(" "))} ;;`).join("\n")}
${commands.map(argumentCase).join("\n")}
        ,*) words=${quote([...names, "--help", "--version"].join(" "))} ;;
      esac ;;
  esac
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _${program} ${program}
`;
}

/** Returns the case branches that complete the values of options. */
function valueCases({ name, options }: CompletedCommand): string[] {
  const after = options.flatMap(({ flags, values, isValueOptional }) =>
    values === undefined || (isValueOptional && values === "free")
      ? []
      : [{ pattern: flags.map((flag) => `${name},${flag}`).join("|"), values }],
  );
  const free = after.filter(({ values }) => values === "free").map(({ pattern }) => pattern);
  const known = after.filter(({ values }) => values !== "free");
  return [
    ...known.map(({ pattern, values }) => `    ${pattern}) ${offer(values)} ;;`),
    ...(free.length === 0 ? [] : [`    ${free.join("|")}) ;;`]),
  ];
}

function argumentCase({ name, argument }: CompletedCommand): string {
  return `        ${name},*) ${offer(argument)} ;;`;
}

function offer(values: Values): string {
  if (values === "files") return "files=1";
  return values === "free" ? "" : `words=${quote(values.join(" "))}`;
}

function flagsOf({ options }: CompletedCommand): string[] {
  return options.flatMap(({ flags }) => flags);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
