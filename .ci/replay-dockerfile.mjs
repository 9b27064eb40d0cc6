// Replays docker/Dockerfile without a container builder: each stage runs in an empty folder that holds only the files
// it copies, so a missing COPY fails here, too. At the end, the image's entry point must print its version.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILE = join(ROOT, "docker/Dockerfile");
/** Paths of this repository that the builder receives; all others are ignored. */
const GIVEN = readFileSync(`${FILE}.dockerignore`, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("!"))
  .map((line) => line.slice(1));
/** Instructions that do not affect files. */
const SKIPPED = ["USER", "CMD", "ENV", "LABEL"];

const scratch = mkdtempSync(join(tmpdir(), "fourtuple-docker-"));
try {
  replay(instructionsOf(readFileSync(FILE, "utf8")));
} finally {
  rmSync(scratch, { recursive: true });
}

/** @param {{ name: string, rest: string }[]} instructions */
function replay(instructions) {
  const stages = new Map();
  let root = "";
  let workdir = "/";
  for (const { name, rest } of instructions) {
    if (name === "FROM") {
      root = join(scratch, `stage-${stages.size}`);
      stages.set(/ AS (\S+)/i.exec(rest)?.[1] ?? "", root);
      workdir = "/";
      mkdirSync(root, { recursive: true });
    } else if (name === "WORKDIR") {
      workdir = posix.resolve(workdir, rest);
      mkdirSync(join(root, workdir), { recursive: true });
    } else if (name === "COPY") copy(rest, stages, root, workdir);
    else if (name === "RUN") run(rest, root, workdir);
    else if (name === "ENTRYPOINT") {
      const [program] = JSON.parse(rest);
      const version = execFileSync(join(root, "usr/bin", program), ["--version"], { encoding: "utf8" });
      console.log(`docker/Dockerfile replayed: ${program} ${version.trim()}`);
    } else if (!SKIPPED.includes(name)) throw new Error(`docker/Dockerfile: ${name} is not replayed yet`);
  }
}

/** @param {string} rest @param {Map<string, string>} stages @param {string} root @param {string} workdir */
function copy(rest, stages, root, workdir) {
  const words = rest.split(/\s+/);
  const from = words[0]?.startsWith("--from=") ? words.shift()?.slice(7) : undefined;
  const source = from === undefined ? ROOT : stages.get(from);
  if (source === undefined) throw new Error(`docker/Dockerfile: no stage ${from}`);
  const to = words.pop() ?? "";
  for (const word of words) {
    if (from === undefined && !GIVEN.includes(word))
      throw new Error(`docker/Dockerfile.dockerignore leaves out ${word}`);
    const target = join(root, posix.resolve(workdir, to), to.endsWith("/") ? posix.basename(word) : "");
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(source, word), target, { recursive: true, verbatimSymlinks: true });
  }
}

/** @param {string} command @param {string} root @param {string} workdir */
function run(command, root, workdir) {
  execFileSync("sh", ["-ec", command], { cwd: join(root, workdir), stdio: ["ignore", "inherit", "inherit"] });
}

/** @param {string} text @returns {{ name: string, rest: string }[]} */
function instructionsOf(text) {
  return text
    .replaceAll(/^\s*#.*\n/gm, "")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", rest = ""] = /^\s*(\w+)\s+(.*)$/.exec(line) ?? [];
      return { name: name.toUpperCase(), rest: rest.trim() };
    });
}
