// Tests early ends of the lab command: by Ctrl-C, by a second signal, by a reader that goes away.
import { describe, expect, it } from "vitest";
import { tunObstacle } from "../../src/linux/tun/tun.js";
import {
  commandLine,
  foreignNamespacesOf,
  listLinks,
  listProcessesWith,
  readNetSettings,
  tieTo,
} from "../support/lab.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startCli } from "../support/process.js";
import { until } from "../support/until.js";

/** Less than a program's grace period, and less than an experiment spends observing the sockets left behind. */
const SOON_MS = 4000;
const MARK = "FOURTUPLE_TEST_STOP";

let last = 0;

function startLab(args: readonly string[]) {
  enterNamespace();
  const mark = `${process.pid}-${++last}`;
  const lab = startCli(["lab", ...args], { env: { [MARK]: mark } });
  const pids = () => listProcessesWith(MARK, mark);
  const running = (pattern: RegExp) => pids().some((pid) => pattern.test(commandLine(pid)));
  return { lab, pids, running };
}

/**
 * Returns whether this program runs in one of the lab's hosts. The commands that start it there also have its name in
 * their arguments and at first are still in this network namespace; during execve(), a process has neither arguments
 * nor environment.
 */
function isInHost(pid: string, program: string): boolean {
  return commandLine(pid).startsWith(`${process.execPath} `) && commandLine(pid).includes(program) && isForeign(pid);
}

function isForeign(pid: string): boolean {
  try {
    return foreignNamespacesOf([pid]).length === 1;
  } catch {
    return false;
  }
}

const isEmpty = (list: readonly unknown[]) => list.length === 0;

describe.skipIf(!canMakeNamespaces())("the lab", () => {
  it.each(["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", ...(tunObstacle() === undefined ? ["E10"] : [])])(
    "ends soon after a Ctrl-C in %s, and summarizes what was done",
    async (id) => {
      const command = id === "E8" ? "doctor" : "connect";
      const { lab, pids, running } = startLab(["--only", id, "--quick"]);
      await until(`its ${command}`, () => running(new RegExp(`main\\.js ${command}`)));
      lab.child.kill("SIGINT");
      const { code, stdout, stderr } = await lab.exited(SOON_MS);
      expect([code, stderr]).toEqual([130, ""]);
      expect(stdout).toMatch(new RegExp(`^stopped in ${id}, no experiment ran, in .* \\(namespaces\\)$`, "m"));
      await until("the end of its programs", pids, isEmpty);
    },
  );

  it("does not finish an experiment's waits", { timeout: 60_000 }, async () => {
    const { lab, running } = startLab(["--only", "E7", "--json"]);
    // For the vanished client, the lab watches the server for 20 seconds.
    await until("the client that vanishes", () => running(/connect \S+:7781/), Boolean, 30_000);
    await until("its end", () => !running(/connect \S+:7781/));
    lab.child.kill("SIGTERM");
    const { code, stdout } = await lab.exited(SOON_MS);
    expect(code).toBe(143);
    expect(JSON.parse(stdout)).toMatchObject({ kind: "lab", stoppedIn: "E7", experiments: [] });
  });

  it("ends at once after a second signal", async () => {
    const { lab, pids, running } = startLab(["--only", "E6", "--quick"]);
    await until("its client", () => running(/main\.js connect/));
    lab.child.kill("SIGINT");
    lab.child.kill("SIGTERM");
    expect(await lab.exited(SOON_MS)).toMatchObject({ code: expect.toBeOneOf([130, 143]) });
    await until("the end of its programs", pids, isEmpty);
  });

  it.each([{ id: "E6", hosts: 2 }, ...(tunObstacle() === undefined ? [{ id: "E10", hosts: 3 }] : [])])(
    "leaves none of its $hosts hosts behind when killed (SIGKILL) in $id",
    async ({ id, hosts }) => {
      const { lab, pids } = startLab(["--only", id, "--quick"]);
      const readHost = () => ({ links: listLinks(), settings: readNetSettings() });
      const before = readHost();
      const programs = await until(
        "a program in each host",
        () =>
          ["serve", "connect"].flatMap((command) => pids().find((pid) => isInHost(pid, `main.js ${command}`)) ?? []),
        ({ length }) => length === 2,
      );
      // The processes that hold the hosts.
      const holders = pids().filter((pid) => commandLine(pid).startsWith("sh -c echo held"));
      expect(foreignNamespacesOf([...programs, ...holders])).toHaveLength(hosts);
      expect(holders).toHaveLength(hosts);
      // Attaches a link to each host; it disappears as soon as the kernel has destroyed that host.
      for (const [i, pid] of holders.entries()) tieTo(Number(pid), `tie${i}`);
      expect(listLinks()).toHaveLength(before.links.length + hosts);
      await lab.kill("SIGKILL");
      await until("the end of its programs", pids, isEmpty);
      await until("the end of the hosts", listLinks, ({ length }) => length === before.links.length);
      expect(readHost()).toEqual(before);
    },
  );

  it("ends when nothing reads its output", { timeout: 60_000 }, async () => {
    const { lab, pids } = startLab(["--only", "E1,E7"]);
    await lab.prints(/E1 {2}Four/);
    lab.child.stdout!.destroy();
    // The last snapshot of E7 alone would take longer than this.
    expect(await lab.exited(18_000)).toMatchObject({ code: 0, stderr: "" });
    await until("the end of its programs", pids, isEmpty);
  });
});
