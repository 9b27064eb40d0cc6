// Contract of every client transport: opening, failing, slots, and the ways in which connections end.
import { describe, expect, it } from "vitest";
import { ECONNRESET } from "../../../src/linux/syscalls/errno.js";
import { notify } from "../../../src/linux/syscalls/eventfd.js";
import { resetFd } from "../../../src/linux/syscalls/socket.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { countDescriptors } from "../../support/kernel.js";
import { close } from "../../support/raw-sockets.js";
import {
  bytesOf,
  clientUnderTest,
  endOf,
  plainPeers,
  type TransportCase,
  TupleList,
  target,
} from "../../support/transport.js";
import { until } from "../../support/until.js";

export function describeClient(transportCase: TransportCase): void {
  const { peers = plainPeers } = transportCase;

  /** Returns one peer accepted by `listener`. */
  const peerOf = async (listener: number) =>
    (
      await until(
        "a peer",
        () => peers.accept(listener),
        (fds) => fds.length > 0,
      )
    )[0]!;

  const connected = async (options = {}) => {
    const { listener, list } = target(1);
    const client = clientUnderTest(transportCase, list, options);
    const slot = client.transport.open();
    await client.turnUntil("it is open", () => client.told.count("opened") === 1 && peers.areReady());
    return { ...client, slot, peer: await peerOf(listener) };
  };

  describe("a connection", () => {
    it("is opened from and to its tuple, and reported once, with its state", async () => {
      const { listener, list, tuples, to } = target(1);
      const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
      const slot = transport.open();
      expect([transport.state(slot), told.events]).toEqual([SLOT.opening, []]);
      await turnUntil("it is open", () => told.events.length > 0);
      transport.turn(0);
      expect(told.events).toEqual([`opened ${slot}`]);
      expect(transport.state(slot)).toBe(SLOT.opened);
      expect(transport.end).toBe(slot + 1);
      await peerOf(listener);
      expect(transport.addresses(slot)).toMatchObject({ local: { port: tuples[0]!.port }, remote: { port: to.port } });
      transport.rest(slot);
      expect(transport.state(slot)).toBe(SLOT.resting);
    });

    it("reports data in order, even while idle", async () => {
      const { transport, told, turnUntil, slot, peer } = await connected();
      peers.send(peer, "hello");
      await turnUntil("a greeting", () => told.text(slot) === "hello");
      transport.rest(slot);
      peers.send(peer, ", world");
      await turnUntil("more", () => told.text(slot) === "hello, world");
    });

    it("sends its bytes, including those being reported", async () => {
      const { transport, told, turnUntil, slot, peer } = await connected();
      expect(transport.send(slot, bytesOf("..abc.."), 2, 3)).toBe(3);
      told.onReceived = (at, bytes, offset, length) => {
        expect(transport.send(at, bytes, offset, length)).toBe(length);
        return length;
      };
      peers.send(peer, "echo");
      await turnUntil("the echo is sent", () => told.text(slot) === "echo");
      let text = "";
      await turnUntil("both to come", () => {
        text += peers.drain(peer).text;
        return text.length >= 7;
      });
      expect(text).toBe("abcecho");
    });

    it("accepts as much of a large message as fits, reports when there is room, and loses nothing", async () => {
      const { transport, told, turnUntil, slot, peer } = await connected();
      const message = bytesOf(Array.from({ length: 400_000 }, (_, n) => `${n};`).join(""));
      const { length } = message.bytes;
      let sent = 0;
      const goOn = () => {
        sent += transport.send(slot, message, sent, length - sent);
      };
      goOn();
      expect(sent).toBeLessThan(length);
      told.onSent = goOn;
      let text = "";
      await turnUntil("all of it", () => {
        text += peers.drain(peer).text;
        return text.length === length;
      });
      expect(sent).toBe(length);
      expect(text === message.bytes.toString("latin1")).toBe(true);
    });

    it.each(["close", "reset"] as const)(
      "ends at once with %s(): the peer sees it, and no event follows",
      async (how) => {
        const { transport, told, slot, peer } = await connected();
        transport[how](slot);
        expect(transport.state(slot)).toBe(SLOT.free);
        transport.turn(0);
        expect(await endOf(peer, peers)).toBe(how === "close" ? 0 : -ECONNRESET);
        transport.turn(0);
        expect(told.events).toEqual([`opened ${slot}`]);
      },
    );

    it("reports its peer's FIN after all data before it, and is free", async () => {
      const { transport, told, turnUntil, slot, peer } = await connected();
      peers.send(peer, "x".repeat(10_000));
      close(peer);
      await turnUntil("the end", () => told.count("closed") > 0);
      expect([told.text(slot).length, told.events.at(-1)]).toEqual([10_000, `closed ${slot}`]);
      expect(transport.state(slot)).toBe(SLOT.free);
    });

    it("reports its peer's RST as a failure while held", async () => {
      const { transport, told, turnUntil, slot, peer } = await connected();
      transport.rest(slot);
      resetFd(peer);
      await turnUntil("the end", () => told.count("failed") > 0);
      expect(told.events).toEqual([`opened ${slot}`, `failed ${slot} hold ${ECONNRESET}`]);
      expect(transport.state(slot)).toBe(SLOT.free);
    });

    it.each(["close", "reset"] as const)("can be told in advance to follow its greeting with %s", async (how) => {
      const { told, transport, turnUntil, slot, peer } = await connected({
        endsGreeted: how,
        resets: how === "reset",
      });
      peers.send(peer, "hello");
      await turnUntil("the greeting", () => told.text(slot) === "hello");
      await turnUntil("it to be over", () => transport.state(slot) === SLOT.free);
      transport.turn(0);
      expect(await endOf(peer, peers)).toBe(how === "close" ? 0 : -ECONNRESET);
      expect(told.events).toEqual([`opened ${slot}`, `received ${slot} 5`]);
    });
  });

  it("wakes from an endless wait, and otherwise waits for the given time", () => {
    const { transport, told, wakeFd } = clientUnderTest(transportCase, new TupleList([]));
    notify(wakeFd);
    transport.turn(Number.POSITIVE_INFINITY);
    const startMs = performance.now();
    while (performance.now() - startMs < 30) transport.turn(30 - (performance.now() - startMs));
    // A signal or a rounded clock may end a wait early, once or twice.
    expect(told.turns).toBeLessThan(6);
  });

  it("leaves nothing behind", async () => {
    const { listener, list } = target(20);
    const held = countDescriptors();
    const { transport, told, turnUntil } = clientUnderTest(transportCase, list);
    for (let n = 0; n < 20; n++) transport.open();
    await turnUntil("all are open", () => told.count("opened") === 20 && peers.areReady());
    const fds: number[] = [];
    await until(
      "all at the peer",
      () => fds.push(...peers.accept(listener)) && fds.length,
      (count) => count === 20,
    );
    transport.closeAll(true, () => false);
    transport.dispose();
    for (const peer of fds) expect(await endOf(peer, peers)).toBe(-ECONNRESET);
    // The wake-up descriptor and the peers belong to the test.
    expect(countDescriptors()).toBe(held + 1 + 20);
  });
}
