// Generates the completion script for zsh.
import type { CompletedCommand, CompletedOption, Values } from "./describe.js";

export function zshScript(program: string, commands: readonly CompletedCommand[]): string {
  return `#compdef ${program}
# Completion of ${program} for zsh: source <(${program} completion zsh)
_${program}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C '(- *)'{-h,--help}'[display help]' '(- *)'{-V,--version}'[output the version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, about }) => `        ${quote(`${name}:${about.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe command commands ;;
    argument)
      case $line[1] in
${commands.map(commandCase).join("\n")}
      esac ;;
  esac
}
if [[ $funcstack[1] == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`;
}

function commandCase({ name, options, argument }: CompletedCommand): string {
  const all = [...options.map(optionSpec), quote(`*:argument:${action(argument)}`)];
  return `        ${name}) _arguments -s ${all.join(" ")} ;;`;
}

/** Returns a spec such as `'*'{-c,--connections}'[how many]:value:'`; the asterisk allows repetition. */
function optionSpec({ flags, about, values, isValueOptional }: CompletedOption): string {
  const names = flags.length > 1 ? `{${flags.join(",")}}` : flags[0]!;
  const description = about.replace(/[[\]:\\]/g, "\\$&");
  const value = values === undefined ? "" : `${isValueOptional ? "::" : ":"}value:${action(values)}`;
  return `'*'${names}${quote(`[${description}]${value}`)}`;
}

function action(values: Values): string {
  if (values === "files") return "_files";
  return values === "free" ? " " : `(${values.join(" ")})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
