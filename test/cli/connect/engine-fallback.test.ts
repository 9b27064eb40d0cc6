// Tests what `--engine auto` does where io_uring is unavailable or cannot lock enough memory: the run uses epoll, and
// its summary says why and how to get io_uring. Nothing listens, so a run of many connections ends after its first
// attempts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { lockedBytes } from "../../../src/transport/choose-engine.js";
import { ownAddress } from "../../support/address.js";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { CLI_FILE, type ProcessOptions, resultOf, start } from "../../support/process.js";
import { hasUring } from "../../support/ring.js";

const CONNECTIONS = 50_000;
const NOFILE = 4096;
/** What `auto` requires for these connections, with as much again for other programs. */
const REQUIRED = 2 * lockedBytes({ connections: CONNECTIONS, threads: availableParallelism(), tableSize: NOFILE });
const EPOLL = { name: "epoll", requested: "auto" };
const DISABLED = "/proc/sys/kernel/io_uring_disabled";

/** A user without other processes, because locked memory is counted per user. */
const asUser = (uid: number, memlock: number) => [
  ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
  ...["prlimit", `--memlock=${memlock}:${memlock}`, `--nofile=${NOFILE}:${NOFILE}`],
];

function connectAs(prefix: readonly string[], args: readonly string[], options: ProcessOptions = {}) {
  const line = [
    ...prefix,
    process.execPath,
    CLI_FILE,
    "connect",
    `${ownAddress()}:9`,
    "-c",
    `${CONNECTIONS}`,
    "-T",
    "0",
  ];
  return start(line[0]!, [...line.slice(1), ...args], options).exited();
}

async function engineAs(prefix: readonly string[], options: ProcessOptions = {}) {
  return resultOf((await connectAs(prefix, ["--json"], options)).stdout).engine;
}

it("a blocked io_uring_setup()", async () => {
  const options: ProcessOptions = { refused: ["io_uring_setup"] };
  expect(await engineAs([], options)).toEqual({ ...EPOLL, obstacle: { kind: "filter", errno: "EPERM" } });
  const { stdout } = await connectAs([], [], options);
  expect(stdout).toMatch(/^ +engine +epoll: seccomp .+ blocks io_uring.* \(for io_uring: allow io_uring_setup.+\)$/m);
});

describe.skipIf(!canMakeNamespaces() || !hasUring)("as root", () => {
  it("kernel.io_uring_disabled", async () => {
    // Simulated, because the setting is host-wide: a file in place of it, and io_uring_setup() refused.
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "disabled");
    writeFileSync(file, "2\n");
    const mount = ["unshare", "--mount", "sh", "-c", `mount --bind ${file} ${DISABLED} && exec "$@"`, "sh"];
    expect(await engineAs(mount, { refused: ["io_uring_setup"] })).toMatchObject({
      ...{ name: "epoll", obstacle: { kind: "disabled", errno: "EPERM" } },
    });
  });

  it("a limit on locked memory that is too low", async () => {
    const obstacle = { kind: "memlock", memlockBytes: REQUIRED - 1, neededBytes: REQUIRED };
    expect(await engineAs(asUser(61_236, REQUIRED - 1))).toEqual({ ...EPOLL, obstacle });
    expect(await engineAs(asUser(61_236, REQUIRED))).toEqual({ name: "uring", requested: "auto" });
  });

  it("locked memory used up by other programs of the user", async ({ skip }) => {
    const [uid, most] = [61_237, 1000];
    // Leaves room for the small ring that checks for io_uring, but not for those of a run. The kernel returns the
    // memory of a closed ring a moment later.
    const script = `const { Ring } = await import(${JSON.stringify(`${ROOT}dist/linux/uring/ring.js`)});
      const rings = [];
      while (rings.length < ${most} && rings.at(-1) !== -12) rings.push(Ring.open({ entries: 256, completions: 512 }));
      if (rings.pop() === -12) rings.pop().close();
      const check = () => {
        const small = Ring.open({ entries: 4, completions: 8 });
        if (small === -12) return setTimeout(check, 5);
        small.close();
        console.log("holds", rings.length);
      };
      check();
      setInterval(() => rings, 1e6);`;
    const line = [...asUser(uid, REQUIRED), process.execPath, "--input-type=module", "-e", script];
    const [, held] = await start(line[0]!, line.slice(1)).prints(/holds (\d+)/);
    if (Number(held) === most - 1) skip("this kernel does not count rings as locked memory");
    const options = { env: { FOURTUPLE_DEBUG: "transport" } };
    const { stdout, stderr } = await connectAs(asUser(uid, REQUIRED), ["--json"], options);
    // The limit seemed sufficient, so io_uring was chosen, until a worker could not lock enough.
    expect(stderr).toContain("engine uring (auto was requested)");
    const { engine, failures } = resultOf(stdout);
    expect(engine).toEqual({ ...EPOLL, obstacle: { kind: "memlock", errno: "ENOMEM", memlockBytes: REQUIRED } });
    expect(failures).toEqual([expect.objectContaining({ errno: "ECONNREFUSED" })]);
  });
});
