// Names source files and lines in stacks of the single executable, whose bundles contain the modules of many files.
import { SourceMap } from "node:module";
import { containedBytes, IS_SINGLE_FILE, OWN_CODE } from "./files.js";

const POSITION = /([\w/-]+)\.js:(\d+):(\d+)/y;

/** Replaces positions in this program's bundles by those in its sources, such as `src/cli/program.ts:70:11`. */
export function sourceStack(stack: string): string {
  if (!IS_SINGLE_FILE) return stack;
  const maps = new Map<string, SourceMap>();
  return stack.split(OWN_CODE).reduce((text, rest) => {
    POSITION.lastIndex = 0;
    const [found = "", bundle = "", line, column] = POSITION.exec(rest) ?? [];
    if (found === "") return `${text}${OWN_CODE}${rest}`;
    const map = maps.get(bundle) ?? readMap(bundle);
    maps.set(bundle, map);
    const origin = map.findOrigin(Number(line), Number(column));
    const place =
      "fileName" in origin ? `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}` : `${OWN_CODE}${found}`;
    return `${text}${place}${rest.slice(found.length)}`;
  });
}

function readMap(bundle: string): SourceMap {
  // Loaded on demand, because every start of the program would pay for it.
  const { gunzipSync } = process.getBuiltinModule("node:zlib");
  return new SourceMap(JSON.parse(gunzipSync(containedBytes(`${bundle}.js.map.gz`)).toString()));
}
