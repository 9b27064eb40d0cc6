// Tests scripts without characters beyond Latin-1: they mean the same, and their source maps lead to the same places.
import { SourceMap } from "node:module";
import { runInThisContext } from "node:vm";
import { rolldown } from "rolldown";
import { expect, it } from "vitest";
import { ROOT } from "../support/library.js";

const { oneByte, oneByteMappings } = await import(`${ROOT}scripts/one-byte.mjs`);
const SOURCE = `export const text = "three dots … and 🙂";
export const after = ["→", Math.min(1, 2)];
export function throwing() {
  throw new Error(\`… ${"$"}{text}\`);
}
`;
const PREFIX = "(function (exports) {";

async function bundled() {
  const made = await rolldown({
    input: "main.js",
    plugins: [{ name: "source", resolveId: (id) => id, load: () => SOURCE }],
  });
  const { output } = await made.generate({
    ...{ format: "cjs", sourcemap: "hidden", exports: "named" },
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await made.close();
  return output[0];
}

it("escapes keep strings, and source maps lead to the same places behind them", async () => {
  const { code, map } = await bundled();
  expect(code).toMatch(/…[\s\S]*🙂/u);
  const script = `${PREFIX}${oneByte(code)}\n})`;
  expect(script).not.toMatch(/[^\0-\xff]/);
  const exports: { text?: string; after?: unknown[]; throwing?: () => never } = {};
  runInThisContext(script)(exports);
  expect(exports).toMatchObject({ text: "three dots … and 🙂", after: ["→", 1] });
  expect(exports.throwing).toThrow("… three dots … and 🙂");

  const shifted = new SourceMap({ ...map!, mappings: oneByteMappings(map!.mappings, code, PREFIX) } as never);
  const places = ["Math.min", "throw new", "new Error"].map((words) => {
    const lines = script.slice(0, script.indexOf(words)).split("\n");
    const found = shifted.findEntry(lines.length - 1, lines.at(-1)!.length) as {
      originalLine: number;
      originalColumn: number;
    };
    return SOURCE.split("\n")[found.originalLine]!.slice(found.originalColumn, found.originalColumn + words.length);
  });
  expect(places).toEqual(["Math.min", "throw new", "new Error"]);
});
