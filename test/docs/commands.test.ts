// Tests that every command in the docs runs verbatim, or states beside it why it is not run.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { atOnce } from "../support/at-once.js";
import { ROOT } from "../support/library.js";
import { pages, readPage } from "../support/markdown.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { start, startCli } from "../support/process.js";
import { until } from "../support/until.js";

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

const isEndless = ({ mark }: Block) => mark === "until Ctrl-C";

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
      const env = { PATH: `${folder}:${process.env.PATH}`, HOME: folder };
      // Servers that the examples connect to.
      const servers = [startCli(["serve", ":7777", "--mode", "echo"]), startCli(["serve", ":7779"])];
      for (const server of servers) await server.prints(/listening/);
      const runBlock = async (block: Block) => {
        const { code, mark } = block;
        const run = start("sh", ["-c", `cd '${folder}'; ${isEndless(block) ? "exec " : ""}${code}`], { env });
        if (isEndless(block)) {
          await until(`output of ${code}`, () => run.stdout !== "" || /^(?!note: )./m.test(run.stderr));
          run.child.kill("SIGINT");
        }
        const { code: status, signal, stdout, stderr } = await run.exited(LIMIT_MS);
        expect(stderr, code).not.toMatch(/Fatal error/);
        // A program that has opened nothing yet leaves the signal to the kernel.
        if (isEndless(block) && signal === "SIGINT") return;
        const exits = isEndless(block) ? [0, 130] : mark.replace("exit ", "").split(" or ").map(Number);
        expect(exits, `${code}${stdout}${stderr}`).toContain(status);
      };
      const [endless, others] = [blocksOf(page).filter(isEndless), blocksOf(page).filter((block) => !isEndless(block))];
      // Each may use files of those before it.
      for (const block of others) await runBlock(block);
      await atOnce(endless.length, endless, runBlock);
      for (const server of servers) await server.kill("SIGTERM");
    },
    3 * LIMIT_MS,
  );
});
