// Tests accepting until a ring's table is full, in a burst longer than the completion queue: every connection that the
// kernel removes from the accept queue is reported, and the rest stays queued.
import { afterEach, describe, expect, it } from "vitest";
import { ENOMEM } from "../../../src/linux/syscalls/errno.js";
import { lastErrno, libc } from "../../../src/linux/syscalls/libc.js";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import { SYS_IO_URING } from "../../../src/linux/uring/abi.js";
import { COMPLETIONS } from "../../../src/transport/kernel-uring/ring-size.js";
import { UringServer } from "../../../src/transport/kernel-uring/server.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { ownAddress } from "../../support/address.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import { BUDGET, bytesOf, drain, serverUnderTest, type TransportCase } from "../../support/transport.js";
import { until } from "../../support/until.js";

const calls = libc as { syscall: (...args: number[]) => number };
const real = calls.syscall;
afterEach(() => {
  calls.syscall = real;
});

const CASE: TransportCase = {
  openClient: () => -ENOMEM,
  openServer: (options) => {
    const transport = new UringServer(options);
    return transport.begin() || transport;
  },
  needsDescriptors: false,
};
/** Number of connections, more than the completion queue holds. */
const PLACES = 2 * COMPLETIONS + 200;
const WAITING = 50;
const BACKLOG = 4096;

/** Makes the creation of further rings fail. */
function refuseRings(): void {
  calls.syscall = (...args) => {
    if (args[0] !== SYS_IO_URING.setup) return real(...args);
    lastErrno(ENOMEM);
    return -1;
  };
}

function listening(tableSize: number) {
  const ip = ownAddress();
  const listener = listenRaw(ip, 0, { backlog: BACKLOG });
  const { port } = localAddress(listener);
  const server = serverUnderTest(CASE, listener, { tableSize, budget: { ...BUDGET, accepts: 64 } });
  return { ...server, dial: () => connectRaw(ip, port) };
}

describe.skipIf(!hasUring)("a burst of connections", () => {
  it("fills a table to the last entry and loses none, and continues when there is room", async () => {
    const { transport, told, turnUntil, dial } = listening(PLACES);
    refuseRings();
    const hello = bytesOf("hello");
    told.onAccepted = (slot) => {
      expect(transport.send(slot, hello, 0, 5)).toBe(5);
      transport.rest(slot);
    };
    transport.turn(0);
    // All of them are in the accept queue before the first is accepted.
    const peers = Array.from({ length: PLACES + WAITING }, dial);
    await turnUntil("the table to be full", () => told.count("acceptFailed") > 0);
    expect(told.count("accepted")).toBe(PLACES);
    expect(new Set(told.events.filter((event) => event.startsWith("accepted"))).size).toBe(PLACES);
    expect(told.events.find((event) => event.startsWith("acceptFailed"))).toBe(`acceptFailed ${ENOMEM} full`);
    // Accepted connections are greeted; the others are neither greeted nor closed.
    const texts = peers.map(() => "");
    const greeted = () => {
      peers.forEach((peer, n) => {
        if (texts[n] !== "") return;
        const { text, end } = drain(peer);
        texts[n] += text;
        expect(end).toBe(undefined);
      });
      return texts.filter((text) => text === "hello").length;
    };
    await turnUntil("their greetings", () => greeted() === PLACES);
    expect(texts.filter((text) => text === "").length).toBe(WAITING);
    for (let slot = 100; slot < 110; slot++) transport.close(slot);
    await turnUntil("ten more", () => told.count("accepted") === PLACES + 10);
    for (let n = 0; n < 5; n++) transport.turn(1);
    expect(told.count("accepted")).toBe(PLACES + 10);
    let held = 0;
    for (let slot = 0; slot < transport.end; slot++) if (transport.state(slot) !== SLOT.free) held++;
    expect(held).toBe(PLACES);
  });

  it("continues in further rings when the first is full", async () => {
    const { told, transport, turnUntil, dial } = listening(100);
    const peers = Array.from({ length: 350 }, dial);
    await turnUntil("all of them", () => told.count("accepted") === peers.length);
    expect(told.count("acceptFailed")).toBe(0);
    const slots = told.events.filter((event) => event.startsWith("accepted"));
    expect(new Set(slots).size).toBe(peers.length);
    expect(transport.end).toBeGreaterThan(300);
  });

  it("is spread over all transports that accept from the same socket", async () => {
    const ip = ownAddress();
    const listener = listenRaw(ip, 0, { backlog: BACKLOG });
    const { port } = localAddress(listener);
    const servers = [1, 2].map(() =>
      serverUnderTest(CASE, listener, { tableSize: BACKLOG, budget: { ...BUDGET, accepts: 8 } }),
    );
    const counts = () => servers.map(({ told }) => told.count("accepted"));
    const total = () => counts().reduce((sum, count) => sum + count, 0);
    for (let round = 1; round <= 20; round++) {
      for (const { transport } of servers) transport.turn(0);
      for (let n = 0; n < 10; n++) connectRaw(ip, port);
      await until(
        "all of the round",
        () => {
          for (const { transport } of servers) transport.turn(0);
          return counts();
        },
        () => total() === round * 10,
      );
    }
    expect(Math.min(...counts())).toBeGreaterThan(50);
  });
});
