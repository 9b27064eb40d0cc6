// The checker behind test/architecture.test.ts: what a source file imports, and which imports the house forbids.
import { posix } from "node:path";

/** Files by their path below src/, such as `server/run.ts`, with their text. */
export type Sources = Readonly<Record<string, string>>;

export interface House {
  /** Rooms on their levels: an import goes only to a lower level, or stays in its room. */
  readonly levels: readonly (readonly string[])[];
  /** Packages and builtin modules that only some rooms may import; none at all where the list is empty. */
  readonly reserved: Readonly<Record<string, readonly string[]>>;
}

const STATIC = /(?:^|[\s;}])(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?["']([^"']+)["']/g;
const DYNAMIC = /\b(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]\s*[,)]|\)\s*\(\s*["'](koffi)["']\s*\)/g;
const ENTRY = /\bnew\s+URL\(\s*["'](\.[^"']+\.js)["']/g;

/** Module specifiers that a text imports: statically, re-exported or dynamically; types count too. */
export function importsOf(text: string): string[] {
  return [...specifiers(text, STATIC), ...specifiers(text, DYNAMIC)];
}

/** Modules that a text names as the entry of a thread or a process: `new URL("./shard.js", import.meta.url)`. */
export function entriesOf(text: string): string[] {
  return specifiers(text, ENTRY);
}

function specifiers(text: string, pattern: RegExp): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  return [...code.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

/** Everything that is wrong with the imports of `sources`, one sentence each. */
export function findViolations(sources: Sources, house: House): string[] {
  const files = Object.entries(sources);
  const graph = new Map(files.map(([file, text]) => [file, inSource(file, importsOf(text))]));
  const entries = new Map(files.map(([file, text]) => [file, inSource(file, entriesOf(text))]));
  return [
    ...unknownRooms(sources, house),
    ...[...graph, ...entries].flatMap(([file, targets]) =>
      targets.flatMap((to) => wrongImport(file, to, sources, house)),
    ),
    ...Object.entries(sources).flatMap(([file, text]) => reservedImports(file, text, house)),
    ...findCircles(graph),
  ];
}

/** The room of a file; a file outside of all folders is a room of its own. */
function roomOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function levelOf(room: string, { levels }: House): number {
  return levels.findIndex((rooms) => rooms.includes(room));
}

/** Those of the specifiers that lead to files of ours, as such. */
function inSource(file: string, all: readonly string[]): string[] {
  return all
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts"));
}

function unknownRooms(sources: Sources, house: House): string[] {
  const rooms = new Set(Object.keys(sources).map(roomOf));
  return [...rooms].filter((room) => levelOf(room, house) < 0).map((room) => `${room} is no room of the house`);
}

function wrongImport(file: string, target: string, sources: Sources, house: House): string[] {
  if (!(target in sources)) return [`${file} imports ${target}, which does not exist`];
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return [];
  const [level, targetLevel] = [levelOf(from, house), levelOf(to, house)];
  if (targetLevel < level) return [];
  return [`${file} (level ${level}) imports ${target} (level ${targetLevel}), which is not lower`];
}

function reservedImports(file: string, text: string, { reserved }: House): string[] {
  return importsOf(text)
    .filter((specifier) => specifier in reserved && !reserved[specifier]!.includes(roomOf(file)))
    .map((specifier) => `${file} imports ${specifier}`);
}

function findCircles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) circles.push(`a circle: ${[...path.slice(start), file].join(" -> ")}`);
    if (start >= 0 || done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return circles;
}
