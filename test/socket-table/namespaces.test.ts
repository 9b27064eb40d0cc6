// Tests readings of all network namespaces while processes exit or move: a namespace is read as long as it exists, and
// never in place of another one.
import { readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readListeners } from "../../src/socket-table/listeners/listeners.js";
import { readEachNamespace } from "../../src/socket-table/namespaces/each.js";
import { canMakeNamespaces, makeNamespace } from "../support/namespace.js";
import { start, type TestProcess } from "../support/process.js";
import { until } from "../support/until.js";

const LISTENERS = { states: 1 << 10 };
const LISTEN = `require("node:net").createServer().listen(7777, () => console.log("ready"))`;

/** Starts a process in a network namespace of its own, by which the namespace is found: process IDs grow. */
async function startAlone(program: string): Promise<{ readonly first: TestProcess; readonly inode: number }> {
  const first = start("unshare", ["--net", "bash", "-c", program]);
  const inode = await until(
    "a namespace",
    () => inodeOf(first.pid),
    (seen) => seen !== inodeOf(process.pid),
  );
  return { first, inode };
}

/** Starts a process with a listener in the namespace of another one. */
async function listenBeside({ pid }: TestProcess): Promise<void> {
  await start("nsenter", [`--net=/proc/${pid}/ns/net`, process.execPath, "--eval", LISTEN]).prints(/ready/);
}

function inodeOf(pid: number): number {
  return Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))![0]);
}

/** Reads the listeners' ports in all namespaces. @param meanwhile called once the namespaces are known */
async function portsBy(meanwhile: () => Promise<void>) {
  let isFirst = true;
  const { read, refused } = await readEachNamespace(LISTENERS, LISTENERS, async () => {
    if (isFirst) await meanwhile();
    isFirst = false;
    return { begin: () => () => true, figures: async () => (await readListeners({})).map(({ port }) => port) };
  });
  const ports = (inode: number) => {
    const found = read.find(({ namespace }) => namespace.inode === inode);
    // It is described by a process that is still there.
    return found && inodeOf(found.namespace.pid!) === inode ? found.figures : undefined;
  };
  return { ports, refused: refused.map(({ namespace, errno }) => [namespace.inode, errno]) };
}

describe.skipIf(!canMakeNamespaces())("a reading of all network namespaces", () => {
  it("reads a namespace although the process by which it was found exits", async () => {
    const { first, inode } = await startAlone("exec sleep 60");
    await listenBeside(first);
    const { ports, refused } = await portsBy(() => first.kill());
    expect([ports(inode), refused]).toEqual([[7777], []]);
  });

  it("does not take another namespace for one that its process has left", async () => {
    const other = makeNamespace();
    const moves = `trap 'exec nsenter --net=/run/netns/${other} sleep 60' USR1; while :; do sleep 0.05; done`;
    const { first, inode } = await startAlone(moves);
    await listenBeside(first);
    const { ports, refused } = await portsBy(async () => {
      process.kill(first.pid, "SIGUSR1");
      await until(
        "the move",
        () => inodeOf(first.pid),
        (seen) => seen !== inode,
      );
    });
    expect([ports(inode), refused]).toEqual([[7777], []]);
  });
});
