// Tests how a user's protocol file is loaded, and that an unusable one is explained on one line. Loads the built
// module, because otherwise vitest rather than Node would load the user's file.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import module from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseRunSpec } from "../../../src/planning/parse-run-spec.js";
import type * as Load from "../../../src/protocols/scripted/file/load.js";
import type * as LoadFirst from "../../../src/protocols/scripted/file/load-first.js";
import { parseAddress } from "../../../src/protocols/spec/address.js";
import { scriptedSpec } from "../../../src/protocols/spec/scripted.js";
import { ROOT } from "../../support/library.js";

const { loadScript } = (await import(`${ROOT}dist/protocols/scripted/file/load.js`)) as typeof Load;
const { loadFirst } = (await import(`${ROOT}dist/protocols/scripted/file/load-first.js`)) as typeof LoadFirst;

function fileWith(text: string, name = "chat.mjs"): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-protocol-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const FAULTS: [string, string | undefined, string][] = [
  ["a missing file", undefined, "there is no such file"],
  ["a syntax error", "export default {\n  name: ;\n}", "syntax error: Unexpected token ';' (line 2, column 9)"],
  ["an error while it loads", "\nthrow new Error('oh no');", "oh no (line 2)"],
  ["an error in a file that it imports", 'import "./broken.mjs";', "in broken ("],
  ["a syntax error in a file that it imports", 'import "./syntax.mjs";', "syntax.mjs, line 2, column 16)"],
  [
    "an import of a missing package",
    "\nimport 'no-such-package';",
    'it imports "no-such-package", which does not exist (line 2)',
  ],
  ["an import of a missing file", "import './nowhere.mjs';", "nowhere.mjs"],
  ["a call of process.exit()", "\n\nprocess.exit(0);", "it calls process.exit() (line 3)"],
  ["a getter that throws", "export default { get name() {\n throw new Error('oh no'); } };", "oh no (line 2)"],
  ["a function", "export default () => ({});", "the default export is not a protocol"],
  ["a promise", "export default Promise.resolve({ name: 'x' });", "the default export is not a protocol"],
  ["no export", "export const x = 1;", "it has no default export"],
  ["another export", "export default 7;", "the default export is not a protocol"],
  ["an unknown field", 'export default { name: "x", clients: {} }', "unknown field: clients"],
  ["no side", 'export default { name: "x" }', "neither a client nor a server"],
  [
    "an unknown column type",
    'export default { name: "x", state: { a: "u64" }, client: {} }',
    "state.a must be one of u8",
  ],
  ["a column with our name", 'export default { name: "x", state: { send: "u8" }, client: {} }', "choose another name"],
  [
    "a column named __proto__",
    'export default { name: "x", state: { ["__proto__"]: "u8" }, client: {} }',
    "choose another",
  ],
  ["a name of two lines", 'export default { name: "x\\ny", client: {} }', "on one line"],
  ["a phase of two lines", 'export default { name: "x", phases: ["a\\nb"], client: {} }', "on one line"],
  [
    "a limit on fixed frames",
    'export default { name: "x", framing: { fixed: 4, maxBytes: 3 }, client: {} }',
    "maxBytes",
  ],
  ["a generator", 'export default { name: "x", client: { *due() {} } }', "client.due is a generator"],
  [
    "an unknown field of a metric",
    'export default { name: "x", metrics: { a: { type: "counter", unit: "s" } }, client: {} }',
    "metrics.a has an unknown field: unit",
  ],
  ["an async handler", 'export default { name: "x", client: { async due() {} } }', "client.due is async"],
  [
    "a handler of the other side",
    'export default { name: "x", server: { due() {} } }',
    "server has an unknown field: due",
  ],
  ["two kinds of framing", 'export default { name: "x", framing: { fixed: 1, delimiter: "x" }, client: {} }', "one of"],
  [
    "a delimiter without bytes",
    'export default { name: "x", framing: { delimiter: "" }, client: {} }',
    "1 to 16 bytes",
  ],
  ["a tick without its interval", 'export default { name: "x", client: { tick() {} } }', "tick needs tickMs"],
  [
    "an unknown metric",
    'export default { name: "x", metrics: { a: "gauge" }, client: {} }',
    '"counter" or "histogram"',
  ],
];

it.each(FAULTS)("says what is wrong: %s", async (_, text, words) => {
  const file = text === undefined ? "/nonexistent/chat.mjs" : fileWith(text);
  if (text?.includes("./")) {
    writeFileSync(join(dirname(file), "broken.mjs"), "throw new Error('in broken');");
    writeFileSync(join(dirname(file), "syntax.mjs"), "\nexport let x = ;");
  }
  const error = await loadScript(file).catch((reason) => reason);
  expect(error).toMatchObject({ code: "E_OPTION" });
  expect(error.message).toContain(words);
  expect(error.message).not.toContain("\n");
});

it.each([
  ["a directory", (file: string) => mkdirSync(file)],
  ["a FIFO", (file: string) => execFileSync("mkfifo", [file])],
  ["a device", (file: string) => symlinkSync("/dev/zero", file)],
])("refuses %s", async (_, make) => {
  const file = join(dirname(fileWith("")), "other.mjs");
  make(file);
  await expect(loadScript(file)).rejects.toThrow("it is not a regular file");
});

it("says how to mend a module that Node takes for CommonJS", async () => {
  const file = fileWith("import 'node:fs';\nexport default {};", "chat.js");
  writeFileSync(join(dirname(file), "package.json"), '{ "type": "commonjs" }');
  const error = await loadScript(file).catch((reason) => reason);
  expect(error.message).toContain("Node treats it as CommonJS");
  expect(error.fix).toContain("name it chat.mjs");
});

it("does not run TypeScript where Node does not", async () => {
  if ("typescript" in process.features && process.features.typescript) return;
  const error = await loadScript(fileWith("export default {}", "chat.ts")).catch((reason) => reason);
  expect(error.message).toContain("does not run TypeScript");
  expect(error.fix).toContain("Node 22.18");
});

it("a file whose folder lacks the package finds the running one, or the error says how to get it", async () => {
  const file = fileWith(
    'import { defineProtocol } from "fourtuple/protocol";\nexport default defineProtocol({ name: "x", client: {} });',
  );
  const found = await loadScript(file).catch((reason) => reason);
  if ("registerHooks" in module) expect(found.definition.name).toBe("x");
  else expect(found.fix).toContain(`npm install ${ROOT.replace(/\/$/, "")} in the folder of`);
});

const ADDRESSES: [string, string, object, string][] = [
  ["no client", "127.0.0.1:9", { server: {} }, "defines no client"],
  ["WebSocket over a byte stream", "tcp://127.0.0.1:9", { over: "websocket", client: {} }, "speaks over WebSocket"],
  ["a byte stream over WebSocket", "ws://127.0.0.1:9", { client: {} }, "speaks over a byte stream"],
  ["missing data", "127.0.0.1:9", { data: ["name"], client: {} }, "needs a data file with name"],
];

it.each(ADDRESSES)("says what does not fit: %s", (_, to, definition, words) => {
  const script = { definition: { name: "x", ...definition }, file: "/chat.mjs", sha256: "" };
  expect(() => parseRunSpec({ to, protocol: "chat.mjs" }, script)).toThrow(words);
});

it("a server does not need the data, which mostly its clients use", () => {
  const definition = { name: "x", data: ["name"], client: {}, server: {} };
  const script = { definition, file: "/chat.mjs", sha256: "" };
  const address = parseAddress("tcp://127.0.0.1:9");
  const options = { protocol: "chat.mjs" };
  expect(scriptedSpec(address, options, { script, side: "server" }, undefined).data).toBeUndefined();
  expect(() => scriptedSpec(address, options, { script, side: "client" }, undefined)).toThrow("needs a data file");
});

const OPTIONS: [string, object, string][] = [
  ["a message", { message: "x" }, "not -m"],
  ["an expectation", { expect: "any" }, "not --expect"],
  ["a rate without due", { messageRatePerSec: 1 }, "requires a client with a due() handler"],
  ["rows used once without rows", { dataOnce: true }, "--data-once requires a data file"],
  ["a seed out of range", { seed: -1 }, "invalid seed"],
];

it.each(OPTIONS)("rejects options determined by the file: %s", (_, options, words) => {
  const script = { definition: { name: "x", client: {} }, file: "/chat.mjs", sha256: "" };
  expect(() => parseRunSpec({ to: "127.0.0.1:9", protocol: "chat.mjs", ...options }, script)).toThrow(words);
});

it("refuses its options without a file", () => {
  for (const options of [{ seed: 3 }, { data: "users.csv" }, { dataOnce: true }]) {
    expect(() => parseRunSpec({ to: "127.0.0.1:9", ...options })).toThrow("requires a protocol of your own");
  }
});

describe("a file that is tried in a thread first", () => {
  it.each([
    ["loops", "\nfor (;;);", 1000, "its top level does not return (line 2)"],
    ["loops in a file that it imports", 'import "./loop.mjs";', 1000, "loop.mjs, line 1)"],
    ["uses up memory", "const all = [];\nfor (;;) all.push({});", 60_000, "memory limit"],
    ["awaits forever", "await new Promise(() => {});", 1000, "its top level does not return"],
    ["throws", "\nthrow new Error('oh no');", 60_000, "oh no (line 2)"],
  ])("names the fault if it %s", async (_, text, limitMs, words) => {
    const file = fileWith(text);
    writeFileSync(join(dirname(file), "loop.mjs"), "for (;;);");
    await expect(loadFirst(file, limitMs)).rejects.toMatchObject({
      code: "E_OPTION",
      message: expect.stringContaining(words),
      fix: expect.any(String),
    });
  });

  it("is loaded although it leaves a timer running in the thread", async () => {
    const file = fileWith('setInterval(() => 0, 1e6).unref();\nexport default { name: "x", client: {} };');
    expect((await loadFirst(file)).definition.name).toBe("x");
  });
});
