// Tests messages over io_uring when a resource runs out: the ring's buffers, its completion queue, or the peer's
// receive window.
import { describe, expect, it } from "vitest";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import type { ServerTransport } from "../../../src/transport/contract.js";
import { BUFFERS, COMPLETIONS } from "../../../src/transport/kernel-uring/ring-size.js";
import { UringServer } from "../../../src/transport/kernel-uring/server.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { ownAddress } from "../../support/address.js";
import { establishedInSs } from "../../support/kernel.js";
import { connectRaw, listenRaw, setOption } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import { bytesOf, drain, endOf, sendRaw, serverUnderTest, type TransportCase } from "../../support/transport.js";
import { until } from "../../support/until.js";

const CASE: TransportCase = {
  openClient: () => -1,
  openServer: (options) => {
    const transport = new UringServer(options);
    return transport.begin() || transport;
  },
  needsDescriptors: false,
};
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;

async function serving(count: number, areIdle = true) {
  const ip = ownAddress();
  const listener = listenRaw(ip, 0, { backlog: 4096 });
  for (const name of [SO_SNDBUF, SO_RCVBUF]) setOption(listener, SOL_SOCKET, name, 4096);
  const { port } = localAddress(listener);
  const server = serverUnderTest(CASE, listener, { tableSize: 4096 });
  if (areIdle) server.told.onAccepted = (slot) => server.transport.rest(slot);
  const peers = Array.from({ length: count }, () => connectRaw(ip, port));
  await server.turnUntil("all of them", () => server.told.count("accepted") === count);
  return { ...server, peers, ip, port };
}

/**
 * Sends lines over the first connection until the transport accepts no more.
 * @returns the number of bytes accepted
 */
function sendUntilFull(transport: ServerTransport): number {
  const line = "x".repeat(500);
  let sent = 0;
  for (let refusals = 0; refusals < 20; ) {
    const taken = transport.send(0, bytesOf(line), 0, line.length);
    sent += taken;
    refusals = taken === 0 ? refusals + 1 : 0;
    transport.turn(1);
  }
  return sent;
}

/** Collects what a peer has received. */
class Reader {
  text = "";
  end: number | undefined;
  private readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(): void {
    const { text, end } = drain(this.fd);
    this.text += text;
    this.end ??= end;
  }
}

describe.skipIf(!hasUring)("messages", () => {
  it("all arrive even if more come at once than there are buffers and completions", async () => {
    const count = COMPLETIONS + BUFFERS;
    const { transport, told, turnUntil, peers } = await serving(count);
    told.onReceived = (slot, bytes, offset, length) => transport.send(slot, bytes, offset, length);
    const readers = peers.map((peer) => new Reader(peer));
    for (const round of ["first", "second", "third"]) {
      for (const peer of peers) expect(sendRaw(peer, round)).toBe(round.length);
      await turnUntil(`the ${round} echoes`, () => {
        const waiting = readers.filter(({ text }) => !text.endsWith(round));
        for (const reader of waiting) reader.read();
        return waiting.length === 0;
      });
    }
    expect(new Set(readers.map(({ text }) => text))).toEqual(new Set(["firstsecondthird"]));
    expect(told.count("failed")).toBe(0);
  });

  it("that the kernel accepts in part continue in order when their peer reads", async () => {
    const { transport, told, turnUntil, peers } = await serving(1);
    const reader = new Reader(peers[0]!);
    let sent = "";
    for (let n = 0; n < 100_000; n++) {
      const line = `${n} ${"x".repeat(n % 400)}\n`;
      const taken = transport.send(0, bytesOf(line), 0, line.length);
      sent += line.slice(0, taken);
      if (taken < line.length) break;
      transport.turn(0);
    }
    const before = told.count("sent");
    await turnUntil("room", () => {
      reader.read();
      return told.count("sent") > before && reader.text.length === sent.length;
    });
    expect(reader.text === sent).toBe(true);
    expect(transport.send(0, bytesOf("more"), 0, 4)).toBe(4);
    await turnUntil("more", () => {
      reader.read();
      return reader.text === `${sent}more`;
    });
  });

  it("received before peeking began are reported again when their peer reads", async () => {
    const { transport, told, turnUntil, peers } = await serving(1, false);
    // The receive in flight consumes its data.
    transport.peeks = true;
    const filler = bytesOf("x".repeat(1_000_000));
    let sent = 0;
    told.onReceived = (slot, bytes, offset, length) => {
      if (sent === 0) sent = transport.send(slot, filler, 0, filler.bytes.length);
      return transport.send(slot, bytes, offset, length);
    };
    expect(sendRaw(peers[0]!, "hello")).toBe(5);
    await turnUntil("the event", () => told.count("received") > 0);
    expect(sent).toBeLessThan(filler.bytes.length);
    expect(told.text(0)).toBe("");
    const reader = new Reader(peers[0]!);
    await turnUntil("the echo", () => {
      reader.read();
      return reader.text.endsWith("hello");
    });
    expect([told.text(0), reader.text.length]).toEqual(["hello", sent + 5]);
  });

  it.each([false, true])("not yet sent are sent before the close, unless it is a reset: %s", async (resets) => {
    const { transport, turnUntil, peers } = await serving(1);
    const reader = new Reader(peers[0]!);
    const sent = sendUntilFull(transport);
    if (resets) transport.reset(0);
    else transport.close(0);
    expect(transport.state(0)).toBe(SLOT.free);
    await turnUntil("the end", () => {
      reader.read();
      return reader.end !== undefined;
    });
    if (resets) expect(reader.end).toBeLessThan(0);
    else expect([reader.end, reader.text.length]).toEqual([0, sent]);
  });

  it.each(["was closed", "is open"])(
    "not yet sent are sent before everything ends, where the connection %s",
    async (state) => {
      const { transport, peers, ip, port } = await serving(1);
      const reader = new Reader(peers[0]!);
      const sent = sendUntilFull(transport);
      if (state === "was closed") transport.close(0);
      let looks = 0;
      transport.closeAll(false, () => {
        if (++looks > 3) reader.read();
        return false;
      });
      await until(
        "its socket to be closed",
        () => establishedInSs(port, ip),
        (count) => count === 0,
      );
      await until(
        "the end",
        () => {
          reader.read();
          return reader.end;
        },
        (end) => end !== undefined,
      );
      expect([reader.end, reader.text.length]).toEqual([0, sent]);
    },
  );

  it("that their peer does not read do not delay the end", async () => {
    const { transport, told, peers } = await serving(1);
    sendUntilFull(transport);
    const before = told.events.length;
    transport.closeAll(false, () => false);
    await endOf(peers[0]!);
    expect(told.events.length).toBe(before);
  });

  it("sent together with the close arrive before it", async () => {
    const { transport, turnUntil, peers } = await serving(1);
    const reader = new Reader(peers[0]!);
    expect(transport.send(0, bytesOf("bye"), 0, 3)).toBe(3);
    transport.close(0);
    // No event follows, so a turn that waited would take its full time.
    const startMs = performance.now();
    transport.turn(20_000);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await turnUntil("the end", () => {
      reader.read();
      return reader.end !== undefined;
    });
    expect([reader.end, reader.text]).toEqual([0, "bye"]);
  });
});
