// Generates the completion script for fish.
import type { CompletedCommand, CompletedOption, Values } from "./describe.js";

export function fishScript(program: string, commands: readonly CompletedCommand[]): string {
  const rule = (...words: string[]) => ["complete", "-c", program, ...words].join(" ");
  const first = commands.map(({ name, about }) => rule("-n __fish_use_subcommand", "-a", name, "-d", quote(about)));
  const rest = commands.flatMap(({ name, options, argument }) => {
    const inside = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      ...options.map((option) => rule(inside, ...optionWords(option))),
      ...argumentWords(argument, (words) => rule(inside, words)),
    ];
  });
  return `# Completion of ${program} for fish: ${program} completion fish | source
${rule("-f")}
${rule("-n __fish_use_subcommand", "-s h -l help", "-d 'display help'")}
${rule("-n __fish_use_subcommand", "-s V -l version", "-d 'output the version'")}
${[...first, ...rest].join("\n")}
`;
}

function optionWords({ flags, about, values, isValueOptional }: CompletedOption): string[] {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...names, ...valueWords(values, isValueOptional), "-d", quote(about)];
}

function valueWords(values: Values | undefined, isOptional: boolean): string[] {
  if (values === undefined || (isOptional && values === "free")) return [];
  if (values === "files") return [isOptional ? "-F" : "-rF"];
  return values === "free" ? ["-x"] : ["-xa", quote(values.join(" "))];
}

function argumentWords(argument: Values, rule: (words: string) => string): string[] {
  if (argument === "free") return [];
  return [rule(argument === "files" ? "-F" : `-a ${quote(argument.join(" "))}`)];
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
