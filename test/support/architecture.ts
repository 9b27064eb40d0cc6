// The checker behind test/architecture.test.ts: finds the imports of a source file, imports that violate the levels,
// and folders with too many files.
import { posix } from "node:path";

/** The text of files by path below src/, such as `server/run.ts`. */
export type Sources = Readonly<Record<string, string>>;

export interface Layers {
  /**
   * Modules (folders of src/ and files next to them) by level. An import must lead to a lower level or stay within its
   * module.
   */
  readonly levels: readonly (readonly string[])[];
  /** Packages and builtin modules that only certain modules may import; with an empty list, none may. */
  readonly reserved: Readonly<Record<string, readonly string[]>>;
  /** Modules that run as the entry point of a thread or process, by path without extension. */
  readonly entries: readonly string[];
  /** Folder or file that lists the entry points, and alone knows how the program is run. */
  readonly place: string;
}

const STATIC = /(?:^|[\s;}])(?:import|export)\s+(?:type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?["']([^"']+)["']/g;
const DYNAMIC = /\b(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]\s*[,)]|\)\s*\(\s*["'](koffi)["']\s*\)/g;
const TEXT = /["'`]([\w/-]+)["'`]/g;
/** Ways to learn how the program is run. */
const PLACE = /\bimport\.meta\b|\bprocess\s*\.\s*(?:execPath|argv0|argv\s*\[\s*1\s*\])/g;

/**
 * Returns the module specifiers that a text imports statically or dynamically, or re-exports; includes type imports.
 */
export function importsOf(text: string): string[] {
  return [...specifiers(text, STATIC), ...specifiers(text, DYNAMIC)];
}

/** Returns the files that a text uses as the entry point of a thread or process, as in `startThread("client/worker")`. */
export function entriesOf(text: string, entries: readonly string[]): string[] {
  return specifiers(text, TEXT)
    .filter((each) => entries.includes(each))
    .map((each) => `${each}.ts`);
}

/** Returns files that learn in their own way how the program is run, one sentence each. */
export function findPlaces(sources: Sources, { place }: Layers): string[] {
  return Object.entries(sources)
    .filter(([file]) => !file.startsWith(place))
    .flatMap(([file, text]) => [...withoutComments(text).matchAll(PLACE)].map(([found]) => `${file} uses ${found}`));
}

function specifiers(text: string, pattern: RegExp): string[] {
  return [...withoutComments(text).matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** Returns all violations of the import rules, one sentence each. */
export function findViolations(sources: Sources, layers: Layers): string[] {
  const files = Object.entries(sources);
  const graph = new Map(files.map(([file, text]) => [file, inSource(file, importsOf(text))]));
  const starters = files.filter(([file]) => !file.startsWith(layers.place));
  const entries = new Map(starters.map(([file, text]) => [file, entriesOf(text, layers.entries)]));
  return [
    ...unknownModules(sources, layers),
    ...[...graph, ...entries].flatMap(([file, targets]) =>
      targets.flatMap((to) => wrongImport(file, to, sources, layers)),
    ),
    ...Object.entries(sources).flatMap(([file, text]) => reservedImports(file, text, layers)),
    ...findCircles(graph),
  ];
}

/** Returns the module of a file. A file outside all folders is its own module. */
function moduleOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function levelOf(module: string, { levels }: Layers): number {
  return levels.findIndex((modules) => modules.includes(module));
}

/** Returns the specifiers that lead to files of this repository, as paths. */
function inSource(file: string, all: readonly string[]): string[] {
  return all
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => posix.join(posix.dirname(file), specifier).replace(/\.js$/, ".ts"));
}

function unknownModules(sources: Sources, layers: Layers): string[] {
  const modules = new Set(Object.keys(sources).map(moduleOf));
  return [...modules].filter((module) => levelOf(module, layers) < 0).map((module) => `${module} is not a module`);
}

function wrongImport(file: string, target: string, sources: Sources, layers: Layers): string[] {
  if (!(target in sources)) return [`${file} imports ${target}, which does not exist`];
  const [from, to] = [moduleOf(file), moduleOf(target)];
  if (from === to) return [];
  const [level, targetLevel] = [levelOf(from, layers), levelOf(to, layers)];
  if (targetLevel < level) return [];
  return [`${file} (level ${level}) imports ${target} (level ${targetLevel}), which is not lower`];
}

function reservedImports(file: string, text: string, { reserved }: Layers): string[] {
  return importsOf(text)
    .filter((specifier) => specifier in reserved && !reserved[specifier]!.includes(moduleOf(file)))
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

/** Returns folders of `sources` with more than `most` files, one sentence each. */
export function findFullFolders(sources: Sources, most: number): string[] {
  const files = new Map<string, number>();
  for (const file of Object.keys(sources)) files.set(posix.dirname(file), (files.get(posix.dirname(file)) ?? 0) + 1);
  return [...files].filter(([, count]) => count > most).map(([folder, count]) => `${folder}/ holds ${count} files`);
}

/** Returns the levels in the table of docs/architecture.md: the modules of each row that starts with a level. */
export function levelsIn(markdown: string): string[][] {
  const rows = [...markdown.matchAll(/^\| (\d+) +\| (`src\/[^|]*)\|/gm)];
  const levels: string[][] = [];
  for (const [, level, names] of rows) {
    const modules = [...names!.matchAll(/`src\/([^`]+?)\/?`/g)].map(([, name]) => name!);
    levels[Number(level)] = [...(levels[Number(level)] ?? []), ...modules];
  }
  return levels;
}

/**
 * Returns paths of files and folders in a page's code spans, such as `cli/main.ts` or `output/html/`; a `*` stands for
 * a folder.
 */
export function pathsIn(markdown: string): string[] {
  const paths = [...markdown.matchAll(/`([a-z*][\w.*-]*\/(?:[\w.*-]+\/)*(?:[\w.*-]+\.(?:ts|mjs|md|json))?)`/g)];
  return [...new Set(paths.map(([, path]) => path!))];
}
