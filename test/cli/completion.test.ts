// Tests completion in real shells: they load the scripts and report the candidates.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasProgram, PROGRAM, runCli } from "../support/process.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
const LONG = 50_000;

const folder = mkdtempSync(join(tmpdir(), "fourtuple-completion-"));
const scriptOf = (shell: string) => join(folder, `fourtuple.${shell}`);

beforeAll(() => {
  writeFileSync(join(folder, "run.json"), "{}");
  writeFileSync(join(folder, "line.zsh"), LINE_EDITOR);
  for (const shell of SHELLS) {
    const [command, ...args] = [...PROGRAM, "completion", shell];
    const { status, stdout } = spawnSync(command!, args, { encoding: "utf8" });
    expect(status).toBe(0);
    writeFileSync(scriptOf(shell), stdout);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Returns the candidates of a shell for a line whose last word is incomplete. */
type Ask = (...words: string[]) => string[];

function run(shell: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(shell, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: LONG,
    killSignal: "SIGKILL",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

const bash: Ask = (...words) => {
  const call = `source "$1"; shift; complete -p fourtuple >/dev/null || exit 1
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fourtuple; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return lines(run("bash", ["--norc", "-c", call, "bash", scriptOf("bash"), "fourtuple", ...words]));
};

const fish: Ask = (...words) => {
  const call = `source ${scriptOf("fish")}; complete -C '${["fourtuple", ...words].join(" ")}'`;
  return lines(run("fish", ["--no-config", "-c", call])).map((line) => line.split("\t")[0]!);
};

/** Loaded by zsh: prints the candidates that its completion adds, each between two marks. */
const LINE_EDITOR = `
PROMPT= RPROMPT=
autoload -Uz compinit; compinit -u -D
setopt extendedglob
compadd() {
  # Calls that only filter an array offer nothing.
  if [[ \${@[1,(i)(-|--)]} != *-[a-zA-Z12]#(O|A|D)[[:space:]]* ]]; then
    builtin compadd -O offered "$@"
    print -rl -- "<<"\${^offered}">>"
  fi
  builtin compadd "$@"
}
offer() { _main_complete; print "END OF LIST" }
zle -C offer complete-word offer
bindkey '^I' offer
`;

/** zsh completes only in its line editor, so it runs in a pseudo-terminal, and Tab is pressed. */
const zsh: Ask = (...words) => {
  const call = `
    zmodload zsh/zpty
    zpty line zsh -f -i
    zpty -w line "source ./line.zsh; source $1; print READ''Y"
    zpty -r -m line text '*READY*'
    zpty -w -n line "$2"$'\\t'
    zpty -r -m line text '*END OF LIST*'
    print -r -- "$text"
    zpty -d line`;
  const text = run("zsh", ["-f", "-c", call, "zsh", scriptOf("zsh"), ["fourtuple", ...words].join(" ")]);
  return [...new Set([...text.matchAll(/<<(.*?)>>/g)].map(([, word]) => word!))];
};

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

const ASK = { bash, zsh, fish } as const;

describe.each(SHELLS)("%s", (shell) => {
  const isThere = hasProgram(shell);
  if (!isThere) console.warn(`skipped: ${shell} is not installed`);
  const ask = ASK[shell];

  describe.skipIf(!isThere)("completes", () => {
    it("commands", () => {
      expect(ask("co").toSorted()).toEqual(["completion", "connect"]);
    });

    it("the command's options, without hidden ones", () => {
      expect(ask("connect", "--close").toSorted()).toEqual([
        "--close",
        "--close-after-greeting",
        "--close-after-response",
      ]);
      expect(ask("serve", "--concurrency")).toEqual([]);
      expect(ask("ports", "--num")).toEqual([]);
    });

    it("the values of options with a fixed set", () => {
      expect(ask("connect", "--close", "").toSorted()).toEqual(["fin", "rst"]);
      expect(ask("serve", ":7777", "--mode", "e")).toEqual(["echo"]);
    });

    it("shells and files", () => {
      expect(ask("completion", "").toSorted()).toEqual(["bash", "fish", "zsh"]);
      expect(ask("report", "ru")).toEqual(["run.json"]);
      expect(ask("doctor", "--explain", "run.")).toEqual(["run.json"]);
    });

    it("nothing for free-form values", () => {
      expect(ask("connect", ":7777", "-c", "")).toEqual([]);
    });
  });
});

it("an unknown shell is rejected with the list of supported shells", async () => {
  const { code, stderr } = await runCli(["completion", "csh"]);
  expect(stderr).toMatch(/bash, zsh, fish/);
  expect(code).toBe(2);
});
