// Tests that Node's binary works without the data of other languages, on the binary that runs this file.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../support/library.js";
import { start } from "../support/process.js";

const { cutOut } = await import(`${ROOT}scripts/package/elf.mjs`);
const { keepOnlyEnglish } = await import(`${ROOT}scripts/package/languages.mjs`);

const { icu_gyp_path: from } = process.config.variables as { icu_gyp_path?: string };
const CONTAINS_ICU = from?.endsWith("icu-generic.gyp") === true;
if (!CONTAINS_ICU) console.log("skipped: this Node does not contain ICU's data");

/** What a program may ask of ICU, and of a segment behind its data: errors are thrown through C++ frames. */
const PROGRAM = `
const figures = (language) => (1234567.891).toLocaleString(language);
console.log(JSON.stringify({
  english: [figures("en-US"), new Date(0).toLocaleString("en-US", { timeZone: "Asia/Tokyo", timeStyle: "full" })],
  german: figures("de"),
  characters: [new TextDecoder("gb18030").decode(Uint8Array.of(0xc4, 0xe3)), "\\ufb01".normalize("NFKC"), /\\p{Lu}/u.test("É")],
  graphemes: [...new Intl.Segmenter().segment("e\\u0301\\u{1f468}\\u200d\\u{1f469}")].length,
  host: new URL("http://bücher.example").host,
  sorted: ["b", "é", "a", "f"].sort((a, b) => a.localeCompare(b)).join(""),
  hash: require("node:crypto").createHash("sha256").update("").digest("hex").slice(0, 8),
  thread: typeof new (require("node:worker_threads").Worker)("", { eval: true }).threadId,
}));`;

describe.skipIf(!CONTAINS_ICU)("Node's binary without other languages", () => {
  it("is smaller, and the same in English", async () => {
    const whole = readFileSync(process.execPath);
    const cut = keepOnlyEnglish(readFileSync(process.execPath));
    expect(whole.length - cut.length).toBeGreaterThan(20_000_000);
    const file = join(tmpdir(), `fourtuple-languages-${process.pid}`);
    onTestFinished(() => rmSync(file));
    writeFileSync(file, cut, { mode: 0o755 });
    const [before, after] = await Promise.all([process.execPath, file].map(printedBy));
    expect(before?.german).toBe("1.234.567,891");
    expect(after).toEqual({ ...before, german: before.english[0] });
  });
});

/** Runs the program in a language whose data is cut out. */
async function printedBy(node: string) {
  const { code, stdout, stderr } = await start(node, ["-e", PROGRAM], { env: { LC_ALL: "zh_CN.UTF-8" } }).exited();
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

describe("cutting bytes out of an executable", () => {
  it("rejects what is not one, and ranges outside of its constants", () => {
    expect(() => cutOut(Buffer.alloc(100), 10, 20)).toThrow("not a 64-bit ELF file");
    const elf = readFileSync(process.execPath);
    expect(() => cutOut(elf, elf.length - 10, elf.length)).toThrow("not in one segment of constants");
    expect(() => cutOut(elf, 64, 128)).toThrow("too short");
    expect(() => keepOnlyEnglish(Buffer.alloc(100))).toThrow("0 tables");
  });
});
