// Tests the library on systems that cannot open connections: saved results can still be read, explained and rendered.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ROOT } from "../support/library.js";
import { start } from "../support/process.js";

const DARWIN = 'data:text/javascript,Object.defineProperty(process,"platform",{value:"darwin"})';

describe("off Linux", () => {
  const evaluate = (code: string) =>
    start(process.execPath, [
      "--import",
      DARWIN,
      "--input-type=module",
      "--eval",
      `const library = await import(${JSON.stringify(`${ROOT}dist/index.js`)}); ${code}`,
    ]).exited();

  it("a saved result is rendered", async () => {
    const file = JSON.stringify(`${ROOT}test/output/fixtures/lab.json`);
    const { code, stdout, stderr } = await evaluate(
      `const { readFileSync } = await import("node:fs");
       console.log((await library.renderReport(JSON.parse(readFileSync(${file}, "utf8")))).slice(0, 15));`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "<!doctype html>\n", stderr: "" });
  });

  it("opening connections is rejected with an explanation", async () => {
    const { stdout } = await evaluate(
      `for (const role of [() => library.connect({ to: ":1" }), () => library.serve({ at: ":0" })])
         await role().catch(({ name, code, message }) => console.log(name, code, message));`,
    );
    expect(stdout).toBe(
      "AppError E_PLATFORM fourtuple does not run on darwin x64\n".repeat(2).replaceAll("x64", process.arch),
    );
  });
});

it("the package declares that its types need Node's", () => {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
  expect(peerDependencies).toHaveProperty("@types/node");
  expect(peerDependenciesMeta["@types/node"]).toEqual({ optional: true });
});
