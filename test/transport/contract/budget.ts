// Contract of every transport under load: no peer can monopolize a turn, and connections are handled as specified when
// descriptors run out.
import { readdirSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { RLIMIT_NOFILE } from "../../../src/linux/syscalls/constants.js";
import { EMFILE } from "../../../src/linux/syscalls/errno.js";
import { openEventfd } from "../../../src/linux/syscalls/eventfd.js";
import { libc, NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { readNofileLimit } from "../../../src/linux/syscalls/rlimit.js";
import { closeFd, localAddress } from "../../../src/linux/syscalls/socket.js";
import { NO_ROOM, SLOT } from "../../../src/transport/slot-state.js";
import { ownAddress, ownPorts } from "../../support/address.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";
import {
  BUDGET,
  clientUnderTest,
  plainPeers,
  serverUnderTest,
  type TransportCase,
  TupleList,
  target,
} from "../../support/transport.js";
import { until } from "../../support/until.js";

/** Leaves this process `count` free descriptors until the end of the test. */
function leaveDescriptors(count: number): void {
  const { soft, hard } = readNofileLimit();
  const highest = Math.max(...readdirSync("/proc/self/fd").map(Number));
  // The limit bounds the descriptor numbers, so occupy the free ones below the highest.
  const holes: number[] = [];
  for (let fd = openEventfd(); ; fd = openEventfd()) {
    holes.push(fd);
    if (fd >= highest) break;
  }
  const next = holes.pop()!;
  closeFd(next);
  setSoftLimit(next + count, hard);
  onTestFinished(() => {
    setSoftLimit(soft, hard);
    holes.forEach(closeFd);
  });
}

function setSoftLimit(soft: number, hard: number): void {
  const words = new BigUint64Array(
    [soft, hard].map((n) => (n === Number.POSITIVE_INFINITY ? 2n ** 64n - 1n : BigInt(n))),
  );
  const pair = NativeBuffer.from(new Uint8Array(words.buffer));
  expect(libc.setrlimit(RLIMIT_NOFILE, pair.address)).toBe(0);
}

/** Part of the contract for clients. */
export function describeClientBudget(transportCase: TransportCase): void {
  const { peers = plainPeers } = transportCase;

  const clientWith = async (count: number) => {
    const { listener, list, tuples } = target(count);
    const client = clientUnderTest(transportCase, list);
    const slots = tuples.map(() => client.transport.open());
    await client.turnUntil("all are open", () => client.told.count("opened") === count && peers.areReady());
    const fds: number[] = [];
    await until(
      "all at the peer",
      () => fds.push(...peers.accept(listener)) && fds.length,
      (n) => n === count,
    );
    return { ...client, slots, fds };
  };

  describe("a peer that floods", () => {
    it("gets its share of a turn, others get theirs, and the rest arrives without a wait", async () => {
      const { transport, told, turnUntil, fds, slots } = await clientWith(3);
      const flood = "x".repeat(200_000);
      const sent = peers.send(fds[0]!, flood);
      expect(sent).toBeGreaterThan(BUDGET.connectionBytes);
      for (const peer of fds.slice(1)) peers.send(peer, "hello");
      const received = () => slots.map((slot) => told.text(slot).length);
      await turnUntil("the others' greetings", () => received().filter((length) => length === 5).length === 2);
      // A turn never delivers more than one connection's share.
      let before = Math.max(...received());
      expect(before).toBeLessThanOrEqual(BUDGET.connectionBytes * told.turns);
      const share = BUDGET.connectionBytes + peers.slack;
      let turns = 0;
      for (; before < sent && turns < 1000; turns++) {
        transport.turn(turns === 0 ? 5 : 1000);
        peers.pump([]);
        const now = Math.max(...received());
        expect(now - before).toBeLessThanOrEqual(share);
        before = now;
      }
      expect(before).toBe(sent);
      expect(turns).toBeGreaterThanOrEqual(Math.floor(sent / BUDGET.connectionBytes) - told.turns);
    });

    it("is suspended while the role wants no data", async () => {
      const { transport, told, turnUntil, fds, slots } = await clientWith(1);
      transport.isHeld = true;
      peers.send(fds[0]!, "hello");
      for (let n = 0; n < 5; n++) transport.turn(2);
      expect(told.count("received")).toBe(0);
      transport.isHeld = false;
      await turnUntil("it", () => told.text(slots[0]!) === "hello");
    });
  });
}

export function describeBudget(transportCase: TransportCase): void {
  describeClientBudget(transportCase);
  describeServerBudget(transportCase);
}

/** The part of the contract for servers, and for descriptors. */
export function describeServerBudget(transportCase: TransportCase): void {
  const { peers = plainPeers } = transportCase;

  describe("a peer that floods a server", () => {
    it("does not keep it from accepting or from serving others", async () => {
      const ip = ownAddress();
      const listener = listenRaw(ip, 0);
      const { port } = localAddress(listener);
      const { transport, told, turnUntil } = serverUnderTest(transportCase, listener);
      const loud = peers.dial(ip, port);
      await turnUntil("the loud one", () => told.count("accepted") === 1 && peers.areReady());
      const flood = "x".repeat(500_000);
      peers.send(loud, flood);
      const quiet = peers.dial(ip, port);
      await turnUntil("the quiet one", () => {
        peers.send(loud, flood);
        return told.count("accepted") === 2 && peers.areReady();
      });
      peers.send(quiet, "hello");
      const before = told.turns;
      await turnUntil("its words", () => {
        peers.send(loud, flood);
        return told.events.includes("received 1 5");
      });
      // The data arrives soon: the flood need not be read first. Data that the other end must encrypt may leave it
      // later.
      expect(told.turns - before).toBeLessThan(peers.isPlain ? 50 : 1000);
      expect(transport.state(0)).not.toBe(SLOT.free);
    });
  });

  describe.skipIf(!transportCase.needsDescriptors || !peers.isPlain)("without free descriptors", () => {
    it("a client has no room while others are being opened, and fails with EMFILE if none are", async () => {
      const [ip, from, { first }] = [ownAddress(), ownAddress(), ownPorts(8)];
      const { port } = localAddress(listenRaw(ip, 0));
      const list = new TupleList(Array.from({ length: 8 }, (_, n) => ({ from, port: first + n, to: { ip, port } })));
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      leaveDescriptors(1);
      const opening = transport.open();
      expect([opening, transport.open()]).toEqual([expect.any(Number), NO_ROOM]);
      await turnUntil("it is open", () => told.count("opened") === 1 && peers.areReady());
      expect(transport.open()).toBe(NO_ROOM);
      transport.rest(opening);
      const failing = transport.open();
      await turnUntil("one to fail", () => told.count("failed") === 1);
      expect(told.events).toEqual([`opened ${opening}`, `failed ${failing} socket ${EMFILE}`]);
      transport.close(opening);
      transport.open();
      await turnUntil("another to be open", () => told.count("opened") === 2);
      // Tuples that found no descriptor were not taken from the plan.
      expect(list.said.map((line) => line.split(" ")[1])).toEqual(["0", "1", "1", "1", "1"]);
    });

    it("a server leaves the rest in the accept queue, reports it, and continues when there is room", async () => {
      const ip = ownAddress();
      const listener = listenRaw(ip, 0);
      const { port } = localAddress(listener);
      const { transport, told, turnUntil } = serverUnderTest(transportCase, listener);
      for (let n = 0; n < 4; n++) connectRaw(ip, port);
      leaveDescriptors(2);
      await turnUntil("it is full", () => told.count("acceptFailed") > 0);
      const room = told.count("accepted");
      expect([room, told.events.at(-1)]).toEqual([2, `acceptFailed ${EMFILE} full`]);
      transport.close(0);
      await turnUntil("the third", () => told.count("accepted") === 3);
      transport.close(1);
      await turnUntil("the fourth", () => told.count("accepted") === 4);
    });
  });
}
