// Tests that every command in the docs runs verbatim, or states beside it why it is not run.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../support/library.js";
import { pages, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startCli } from "../support/process.js";

interface Block {
  readonly code: string;
  /** Comment before the block: `not run: …`, `until Ctrl-C`, `exit 0 or 1`. */
  readonly mark: string;
}

const BLOCK = /(?:^<!-- (not run: .+|until Ctrl-C|exit [\d or]+) -->\n\n)?^```sh\n([\s\S]*?)^```$/gm;
/** Longer than any command takes on a slow machine. */
const LIMIT_MS = 120_000;

/** Returns the blocks of a page that are run. */
function blocksOf(page: string): Block[] {
  return [...readPage(page).matchAll(BLOCK)]
    .map(([, mark = "exit 0", code]) => ({ code: code!, mark }))
    .filter(({ mark }) => !mark.startsWith("not run"));
}

const withCommands = pages().filter((page) => blocksOf(page).length > 0);

it("the pages of commands contain some to run", () => {
  for (const name of ["connect", "doctor", "ports", "report", "serve"])
    expect(withCommands).toContain(`docs/${name}.md`);
});

describe.skipIf(!canMakeNamespaces())("the commands of a page run verbatim", () => {
  it.each(withCommands)(
    "%s",
    async (page) => {
      enterNamespace();
      const folder = mkdtempSync(join(tmpdir(), "fourtuple-docs-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      symlinkSync(`${ROOT}dist/cli/main.js`, join(folder, "fourtuple"));
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(ROOT, join(folder, "node_modules/fourtuple"));
      const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HOME: folder };
      // Servers that the examples connect to.
      const servers = [startCli(["serve", ":7777", "--mode", "echo"]), startCli(["serve", ":7779"])];
      for (const server of servers) await server.prints(/listening/);
      for (const { code, mark } of blocksOf(page)) {
        const isEndless = mark === "until Ctrl-C";
        const command = isEndless ? `timeout --foreground -s INT 3 ${code}` : code;
        const run = spawnSync("sh", ["-c", command], { cwd: folder, env, encoding: "utf8", timeout: LIMIT_MS });
        expect(run.stderr, code).not.toMatch(/Fatal error/);
        const exits = isEndless ? [0, 124, 130] : mark.replace("exit ", "").split(" or ").map(Number);
        expect(exits, `${code}${run.stdout}${run.stderr}`).toContain(run.status);
      }
      for (const server of servers) await server.kill("SIGTERM");
    },
    3 * LIMIT_MS,
  );
});
