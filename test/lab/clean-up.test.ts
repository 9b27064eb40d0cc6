// Tests that the lab leaves nothing behind, however it ends. Observed from outside, in the test's own namespace in
// place of the host.
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  AS_USER,
  canMakeUserNamespaces,
  foreignNamespacesOf,
  listLinks,
  listProcessesWith,
  openedBy,
  readNetSettings,
  startLab,
  tieTo,
} from "../support/lab.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { until } from "../support/until.js";

/** Ways to end: in order, by Ctrl-C, by an uncaught exception, or killed at once by the kernel. */
const ENDINGS = ["SIGTERM", "SIGINT", "SIGUSR2", "SIGKILL"] as const;
const WAYS = [
  { who: "root", prefix: [], canRun: true },
  { who: "an unprivileged user", prefix: AS_USER, canRun: canMakeUserNamespaces() },
];
/** Environment variable that marks the lab's processes. */
const MARK = "FOURTUPLE_TEST_LAB";

let last = 0;
const makeMark = () => `${process.pid}-${++last}`;
/** The kernel destroys namespaces one after another in the background, after those of other programs. */
const GONE_MS = 30_000;
const TIMEOUT_MS = 90_000;
const isEmpty = (list: readonly unknown[]) => list.length === 0;

describe.skipIf(!canMakeNamespaces())("namespaces", { timeout: TIMEOUT_MS }, () => {
  describe.each(WAYS)("of $who", ({ prefix, canRun }) => {
    const readHost = () => ({ links: listLinks(), settings: readNetSettings() });

    it.skipIf(!canRun).each(ENDINGS)("are gone after %s, with everything in them", async (signal) => {
      enterNamespace();
      const before = readHost();
      const mark = makeMark();
      const lab = startLab({ prefix, env: { [MARK]: mark } });
      const { description, pids } = await openedBy(lab);
      expect(description.kind).toBe("namespaces");
      // The lab itself, the server, the client, a foreign program, and the two processes that hold the namespaces.
      const processes = await until(
        "all processes",
        () => listProcessesWith(MARK, mark),
        ({ length }) => length === 6,
      );
      expect(foreignNamespacesOf(processes)).toHaveLength(2);
      expect(readHost()).toEqual(before);
      for (const [i, pid] of pids.entries()) tieTo(pid, `tie${i}`);
      expect(listLinks()).toHaveLength(before.links.length + 2);
      lab.child.kill(signal);
      await lab.exited();
      await until("the end of its processes", () => listProcessesWith(MARK, mark), isEmpty, GONE_MS);
      await until("the end of both namespaces", listLinks, ({ length }) => length === before.links.length, GONE_MS);
      expect(readHost()).toEqual(before);
    });

    it.skipIf(!canRun).each(["SIGTERM", "SIGKILL"] as const)(
      "are gone after %s even if connections cannot tell each other of their end",
      async (signal) => {
        enterNamespace();
        const before = listLinks();
        const lab = startLab({ prefix, cut: true });
        const { pids } = await openedBy(lab);
        for (const [i, pid] of pids.entries()) tieTo(pid, `tie${i}`);
        lab.child.kill(signal);
        await lab.exited();
        await until("the end of both namespaces", listLinks, ({ length }) => length === before.length, GONE_MS);
      },
    );

    it.skipIf(!canRun)("are gone if the lab is killed before everything is set up", async () => {
      enterNamespace();
      const mark = makeMark();
      for (let afterMs = 0; afterMs < 500; afterMs += 25) {
        const lab = startLab({ prefix, env: { [MARK]: mark } });
        await delay(afterMs);
        await lab.kill("SIGKILL");
      }
      await until("the end of its processes", () => listProcessesWith(MARK, mark), isEmpty, GONE_MS);
    });
  });
});

describe("loopback", { timeout: TIMEOUT_MS }, () => {
  it.each(ENDINGS)("leaves no process behind after %s", async (signal) => {
    const mark = makeMark();
    const lab = startLab({ testbed: { loopback: true }, env: { [MARK]: mark } });
    await openedBy(lab);
    await until(
      "all processes",
      () => listProcessesWith(MARK, mark),
      ({ length }) => length === 4,
    );
    lab.child.kill(signal);
    await lab.exited();
    await until("the end of its processes", () => listProcessesWith(MARK, mark), isEmpty, GONE_MS);
  });
});
