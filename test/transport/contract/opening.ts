// Contract of every client transport for opening connections: failures by step and errno, tuples in use, slots.
import { describe, expect, it } from "vitest";
import { EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH } from "../../../src/linux/syscalls/errno.js";
import { NO_ROOM, SLOT } from "../../../src/transport/slot-state.js";
import { ownAddress, ownPorts, sourceAddress } from "../../support/address.js";
import { countDescriptors } from "../../support/kernel.js";
import { close, connectRaw, listenRaw } from "../../support/raw-sockets.js";
import {
  bytesOf,
  clientUnderTest,
  plainPeers,
  type TransportCase,
  TupleList,
  target,
} from "../../support/transport.js";
import { until } from "../../support/until.js";

export function describeOpening(transportCase: TransportCase): void {
  const { peers = plainPeers, hasSockets = true } = transportCase;

  describe("a connection that cannot be opened", () => {
    const failing = async (list: TupleList) => {
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      const slot = transport.open();
      expect(told.events).toEqual([]);
      await turnUntil("it fails", () => told.events.length > 0);
      expect(transport.state(slot)).toBe(SLOT.free);
      return { slot, events: told.events };
    };
    const to = (ip: string, port: number) => ({ ip, port });

    it("because nothing listens fails with its step and errno", async () => {
      const { events, slot } = await failing(
        new TupleList([{ from: sourceAddress(), port: ownPorts(1).first, to: to(ownAddress(), 9) }]),
      );
      expect(events).toEqual([`failed ${slot} connect ${ECONNREFUSED}`]);
    });

    it.skipIf(!hasSockets)("because the source address is not local reports the tuple", async () => {
      const list = new TupleList([{ from: "192.0.2.7", port: ownPorts(1).first, to: to(ownAddress(), 9) }]);
      const { events, slot } = await failing(list);
      expect(events).toEqual([`failed ${slot} bind ${EADDRNOTAVAIL}`]);
      expect(list.said.at(-1)).toBe("cannot bind 0");
    });

    it.skipIf(!hasSockets)("because there is no route is reported as this host's own refusal", async () => {
      // This is a broadcast address of loopback, so no packet is sent.
      const list = new TupleList([{ from: ownAddress(), port: ownPorts(1).first, to: to("127.255.255.255", 9) }]);
      const { events, slot } = await failing(list);
      expect(events).toEqual([`failed ${slot} connect ${ENETUNREACH} own`]);
    });

    it.skipIf(!hasSockets)("because it would connect to itself has no errno", async () => {
      const [ip, { first }] = [ownAddress(), ownPorts(1)];
      const { events, slot } = await failing(new TupleList([{ from: ip, port: first, to: to(ip, first) }], true));
      expect(events).toEqual([`failed ${slot} connect 0`]);
    });

    it("because no tuple is left fails in bind", async () => {
      const { events, slot } = await failing(new TupleList([]));
      expect(events).toEqual([`failed ${slot} bind ${EADDRNOTAVAIL}`]);
    });
  });

  it.skipIf(!hasSockets)("skips a port that has a listener, and a 4-tuple that exists", async () => {
    const { listener, list, from, tuples, to } = target(3);
    listenRaw(from, tuples[0]!.port);
    const earlier = connectRaw(to.ip, to.port, { ip: from, port: tuples[1]!.port });
    expect(earlier).toBeGreaterThan(0);
    const before = countDescriptors();
    const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
    const own = countDescriptors() - before;
    const slot = transport.open();
    await turnUntil("it is open", () => told.count("opened") === 1);
    expect(list.said).toEqual([0, 1, 2].map((n) => `take ${n} for ${slot} past ${n}`));
    // Peers in this process use descriptors as well, once they are accepted.
    if (peers.isPlain) expect(countDescriptors() - before - own).toBe(transportCase.needsDescriptors ? 1 : 0);
    await until(
      "both at the peer",
      () => peers.accept(listener),
      (fds) => fds.length > 0,
    );
  });

  it("cancels a handshake with close(): no event follows", async () => {
    const { listener, list, to } = target(1, 0);
    // The accept queue, of length one, is full: further SYNs are dropped.
    for (let n = 0; n < 4; n++) connectRaw(to.ip, to.port);
    const { transport, told } = clientUnderTest(transportCase, list);
    const slot = transport.open();
    transport.turn(20);
    expect([transport.state(slot), told.events]).toEqual([SLOT.opening, []]);
    transport.close(slot);
    peers.accept(listener);
    for (let n = 0; n < 3; n++) transport.turn(10);
    expect([transport.state(slot), told.events]).toEqual([SLOT.free, []]);
  });

  describe("slots", () => {
    it("are not reused within the turn that freed them, but afterwards", async () => {
      const { list } = target(3);
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      const first = transport.open();
      await turnUntil("one is open", () => told.count("opened") === 1);
      transport.close(first);
      const second = transport.open();
      expect(second).not.toBe(first);
      const { end } = transport;
      for (let n = 0; n < 3; n++) transport.turn(1);
      expect([transport.open(), transport.end]).toEqual([first, end]);
    });

    it("that are vacated are kept for the next connection, and then reused", async () => {
      const { list, listener } = target(4);
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      const slot = transport.open();
      await turnUntil("one is open", () => told.count("opened") === 1);
      // Neither bytes in flight nor the peer that reads them affect the next connection.
      const text = bytesOf("last words");
      expect(transport.send(slot, text, 0, text.bytes.length)).toBe(10);
      transport.rest(slot);
      transport.vacate(slot, false);
      expect([transport.state(slot), transport.open() === slot]).toEqual([SLOT.free, false]);
      for (let n = 0; n < 3; n++) transport.turn(1);
      expect(transport.open()).not.toBe(slot);
      await turnUntil("the others are open", () => told.count("opened") === 3);
      await turnUntil("it is opened again", () => transport.state(slot) !== SLOT.free || transport.reopen(slot));
      // turnUntil() takes another turn if a handshake needs it.
      expect(hasSockets ? [SLOT.opening] : [SLOT.opening, SLOT.opened]).toContain(transport.state(slot));
      await turnUntil("it is open again", () => told.count(`opened ${slot}`) === 2);
      if (peers.isPlain) {
        const ends = peers.accept(listener).map((fd) => peers.drain(fd));
        expect(ends.filter(({ text: read, end }) => read === "last words" && end === 0).length).toBe(1);
        expect(ends.filter(({ text: read, end }) => read === "" && end === undefined).length).toBe(3);
      }
      expect(told.count("closed") + told.count("failed")).toBe(0);
      const { end } = transport;
      transport.close(slot);
      for (let n = 0; n < 3; n++) transport.turn(1);
      expect([transport.open(), transport.end]).toEqual([slot, end]);
    });

    it("are kept even if the connection is reset, or its peer has ended it", async () => {
      const { list, listener } = target(2);
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      const slot = transport.open();
      await turnUntil("it is open", () => told.count("opened") === 1);
      transport.vacate(slot, true);
      await turnUntil("it is opened again", () => transport.state(slot) !== SLOT.free || transport.reopen(slot));
      await turnUntil("it is open again", () => told.count("opened") === 2);
      if (!peers.isPlain) return;
      const ends: number[] = [];
      await until("both at the peer", () => ends.push(...peers.accept(listener)) === 2);
      told.onClosed = (ended) => transport.vacate(ended, false);
      ends.forEach(close);
      await turnUntil("its end is told", () => told.count("closed") + told.count("failed") === 1);
      expect(transport.state(slot)).toBe(SLOT.free);
      for (let n = 0; n < 3; n++) transport.turn(1);
      expect(transport.open()).not.toBe(slot);
      // No tuple is left. Reopening fails with an event, as opening does, and the slot is allocated again.
      await turnUntil("it is opened again", () => transport.state(slot) !== SLOT.free || transport.reopen(slot));
      await turnUntil("it fails", () => told.count(`failed ${slot} bind`) === 1);
      expect(transport.state(slot)).toBe(SLOT.free);
    });

    it("grow beyond the initial number", async () => {
      const { list } = target(40);
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list, { slots: 2 });
      const slots = Array.from({ length: 40 }, () => transport.open());
      expect(new Set(slots).size).toBe(40);
      expect(slots).not.toContain(NO_ROOM);
      await turnUntil("all are open", () => told.count("opened") === 40);
      expect([...new Set(told.events)].length).toBe(40);
    });
  });
}
