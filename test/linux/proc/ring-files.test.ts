// Tests reading the sockets registered in an io_uring from the ring's fdinfo.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { forEachRingSocket } from "../../../src/linux/proc/ring-files.js";

function fdinfo(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-ring-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "7"), text);
  return join(folder, "7");
}

const HEAD = "pos:\t0\nflags:\t02000002\nSqMask:\t0x3\nSQEs:\t0\nCQEs:\t0\n";
const TAIL = "UserBufs:\t0\nPollList:\nCqOverflowList:\n";

async function read(text: string) {
  const inodes: number[] = [];
  return { ...(await forEachRingSocket(fdinfo(text), (inode) => inodes.push(inode))), inodes };
}

describe("a ring's fdinfo", () => {
  it("lists the sockets among its files", async () => {
    const files = "    0: socket:[50637]\n    7: /tmp/a file\n   14: socket:[4294967295]\n   15: pipe:[3]\n";
    expect(await read(`${HEAD}UserFiles:\t16\n${files}${TAIL}`)).toEqual({
      isListed: true,
      nameless: 0,
      inodes: [50_637, 4_294_967_295],
    });
  });

  it("of a kernel that does not print paths lists sockets without names", async () => {
    const files = "    0: TCP\n    1: TCPv6\n    2: <none>\n    3: notes.txt\n";
    expect(await read(`${HEAD}UserFiles:\t4\n${files}${TAIL}`)).toEqual({ isListed: true, nameless: 2, inodes: [] });
  });

  it("has no list while the ring is busy, or if it may not be read", async () => {
    expect(await read(HEAD)).toEqual({ isListed: false, nameless: 0, inodes: [] });
    expect(await forEachRingSocket("/proc/0/fdinfo/0", () => undefined)).toEqual({ isListed: false, nameless: 0 });
  });

  it("with a million sockets is read quickly", async () => {
    const count = 1_000_000;
    const lines: string[] = [];
    for (let i = 0; i < count; i++) lines.push(`${`${i}`.padStart(5)}: socket:[${i + 1}]`);
    const file = fdinfo(`${HEAD}UserFiles:\t${count}\n${lines.join("\n")}\n${TAIL}`);
    let sum = 0;
    const startMs = performance.now();
    const { isListed } = await forEachRingSocket(file, (inode) => {
      sum += inode;
    });
    expect(isListed).toBe(true);
    expect(sum).toBe((count * (count + 1)) / 2);
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });
});
