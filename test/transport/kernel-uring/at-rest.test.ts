// Tests what an idle connection keeps pending in its ring: a poll, which takes the least kernel memory, unless data
// arrives often.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import { OP } from "../../../src/linux/uring/abi.js";
import { UringServer } from "../../../src/transport/kernel-uring/server.js";
import { ownAddress } from "../../support/address.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import { sendRaw, serverUnderTest } from "../../support/transport.js";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Returns the requests pending in this process's rings, by operation. */
function pendingOperations(): number[] {
  const fds = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[io_uring]";
    } catch {
      return false;
    }
  });
  const texts = fds.map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
  return texts.flatMap((text) => [...text.matchAll(/^ *op=(\d+)/gm)].map(([, operation]) => Number(operation)));
}

describe.skipIf(!hasUring)("an idle connection", () => {
  it("is polled, received from while data arrives often, and polled again", async () => {
    const ip = ownAddress();
    const listener = listenRaw(ip, 0);
    const kind = { openClient: () => -1, needsDescriptors: false };
    const openServer = (options: ConstructorParameters<typeof UringServer>[0]) => {
      const transport = new UringServer(options);
      return transport.begin() || transport;
    };
    const { transport, told, turnUntil } = serverUnderTest({ ...kind, openServer }, listener);
    told.onAccepted = (slot) => transport.rest(slot);
    const peer = connectRaw(ip, localAddress(listener).port);
    await turnUntil("a connection", () => told.count("accepted") === 1);
    const isReceivedFrom = () => {
      transport.turn(0);
      return pendingOperations().includes(OP.recv);
    };
    const real = performance.now.bind(performance);
    let passedMs = 0;
    vi.spyOn(performance, "now").mockImplementation(() => passedMs);
    const speak = async (afterMs: number) => {
      passedMs += afterMs;
      const before = told.count("received");
      sendRaw(peer, "hello");
      for (const endMs = real() + 20_000; told.count("received") === before && real() < endMs; ) transport.turn(1);
      expect(told.count("received")).toBe(before + 1);
      return isReceivedFrom();
    };
    expect(isReceivedFrom()).toBe(false);
    const seen: boolean[] = [];
    for (const afterMs of [5000, 500, 900, 3000, 100]) seen.push(await speak(afterMs));
    expect(seen).toEqual([false, true, true, false, true]);
    expect(pendingOperations()).toContain(OP.accept);
  });
});
