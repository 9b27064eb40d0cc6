// Contract of every server transport: accepting, answering, and the ways in which connections end.
import { describe, expect, it } from "vitest";
import { ECONNRESET } from "../../../src/linux/syscalls/errno.js";
import { localAddress, resetFd } from "../../../src/linux/syscalls/socket.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { ownAddress } from "../../support/address.js";
import { countDescriptors } from "../../support/kernel.js";
import { close, listenRaw, setOption } from "../../support/raw-sockets.js";
import { BUDGET, bytesOf, endOf, plainPeers, serverUnderTest, type TransportCase } from "../../support/transport.js";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const LARGE = bytesOf(Array.from({ length: 400_000 }, (_, n) => `${n};`).join(""));

export function describeServer(transportCase: TransportCase): void {
  const { peers = plainPeers } = transportCase;

  const listening = (options = {}) => {
    const ip = ownAddress();
    const listener = listenRaw(ip, 0);
    const { port } = localAddress(listener);
    // Use small buffers, which soon fill at either end if a peer does not read.
    for (const name of [SO_SNDBUF, SO_RCVBUF]) setOption(listener, SOL_SOCKET, name, 65_536);
    return { ...serverUnderTest(transportCase, listener, options), dial: () => peers.dial(ip, port) };
  };

  const accepted = async (options = {}) => {
    const server = listening(options);
    const peer = server.dial();
    await server.turnUntil("a connection", () => server.told.count("accepted") === 1 && peers.areReady());
    return { ...server, peer, slot: Number(server.told.events[0]!.split(" ")[1]) };
  };

  describe("a connection", () => {
    it("is reported as soon as it arrives, and can be greeted at once", async () => {
      const { transport, told, turnUntil, dial } = listening();
      const hello = bytesOf("hello");
      const greet = (slot: number) => {
        // A transport with a handshake does not accept data yet.
        const sent = transport.send(slot, hello, 0, 5);
        expect([0, 5]).toContain(sent);
        if (peers.isPlain) expect(sent).toBe(5);
      };
      told.onAccepted = (slot) => {
        expect(transport.state(slot)).toBe(transportCase.restsAtFirst ? SLOT.resting : SLOT.opened);
        greet(slot);
        transport.rest(slot);
      };
      told.onSent = greet;
      const fds = Array.from({ length: 30 }, dial);
      await turnUntil("all of them", () => told.count("accepted") === 30 && peers.areReady());
      // Greetings are sent in the next turn at the latest.
      const texts = fds.map(() => "");
      await turnUntil("all greetings", () => {
        fds.forEach((fd, n) => {
          texts[n] += peers.drain(fd).text;
        });
        return texts.every((text) => text === "hello");
      });
      expect(new Set(told.events.filter((event) => event.startsWith("accepted"))).size).toBe(30);
      expect(told.events.length).toBe(peers.isPlain ? 30 : 60);
      for (let slot = 0; slot < transport.end; slot++) expect(transport.state(slot)).toBe(SLOT.resting);
    });

    it("can be rejected at once", async () => {
      const { transport, told, turnUntil, dial } = listening();
      told.onAccepted = (slot) => transport.close(slot);
      const peer = dial();
      await turnUntil("one", () => told.count("accepted") === 1);
      transport.turn(0);
      // It ends with RST if the peer's first bytes are unread.
      expect(peers.isPlain ? [0] : [0, -ECONNRESET]).toContain(await endOf(peer, peers));
      transport.turn(0);
      expect(told.events.length).toBe(1);
    });

    it("is answered with the received bytes", async () => {
      const { transport, told, turnUntil, peer, slot } = await accepted();
      told.onReceived = (at, bytes, offset, length) => transport.send(at, bytes, offset, length);
      peers.send(peer, "ping");
      let text = "";
      await turnUntil("the answer", () => {
        text += peers.drain(peer).text;
        return text === "ping";
      });
      expect(told.text(slot)).toBe("ping");
    });

    it("distinguishes FIN and RST", async () => {
      const { transport, told, turnUntil, dial } = listening();
      const [one, other] = [dial(), dial()];
      await turnUntil("both", () => told.count("accepted") === 2 && peers.areReady());
      // Closing a socket with unread data sends RST instead of FIN, and session tickets are such data. They precede the
      // answer.
      told.onReceived = (at, bytes, offset, length) => transport.send(at, bytes, offset, length);
      for (const peer of [one, other]) {
        peers.send(peer, "ping");
        let text = "";
        await turnUntil("the answer", () => {
          text += peers.drain(peer).text;
          return text === "ping";
        });
      }
      transport.rest(0);
      close(one);
      await turnUntil("the FIN", () => told.count("closed") === 1);
      resetFd(other);
      await turnUntil("the RST", () => told.count("failed") === 1);
      const ends = told.events
        .filter((event) => /^(closed|failed)/.test(event))
        .map((event) => event.replace(/ \d+/, ""));
      expect(ends).toEqual(["closed", `failed hold ${ECONNRESET}`]);
      expect([transport.state(0), transport.state(1)]).toEqual([SLOT.free, SLOT.free]);
    });

    it("has its peer's address on request", async () => {
      const { transport, told, turnUntil, dial } = listening();
      const named: unknown[] = [];
      told.onAccepted = () => {
        if (transport.namesPeers) named.push(transport.acceptedPeer());
      };
      dial();
      await turnUntil("one", () => told.count("accepted") === 1);
      transport.namesPeers = true;
      const second = dial();
      await turnUntil("another", () => told.count("accepted") === 2);
      expect(named).toEqual([localAddress(second)]);
    });
  });

  describe("a peer that does not read", () => {
    it("gets the rest of a large answer when it reads, every byte of it", async () => {
      const { transport, told, turnUntil, peer, slot } = await accepted();
      const { length } = LARGE.bytes;
      let sent = transport.send(slot, LARGE, 0, length);
      expect(sent).toBeLessThan(length);
      told.onSent = () => {
        sent += transport.send(slot, LARGE, sent, length - sent);
      };
      let text = "";
      await turnUntil("all of it", () => {
        text += peers.drain(peer).text;
        return text.length === length;
      });
      expect(text === LARGE.bytes.toString("latin1")).toBe(true);
    });

    it("is not read from meanwhile", async () => {
      const { transport, told, turnUntil, peer, slot } = await accepted();
      const { length } = LARGE.bytes;
      let sent = transport.send(slot, LARGE, 0, length);
      told.onSent = () => {
        sent += transport.send(slot, LARGE, sent, length - sent);
      };
      peers.send(peer, "a question");
      for (let n = 0; n < 20; n++) transport.turn(1);
      expect([told.count("received"), sent < length]).toEqual([0, true]);
      await turnUntil("the question", () => {
        peers.drain(peer);
        return told.text(slot) === "a question";
      });
      expect(sent).toBe(length);
    });

    it("keeps its bytes unread while they are only peeked at, and still gets its answer", async () => {
      const { transport, told, turnUntil, peer, slot } = await accepted();
      transport.peeks = true;
      for (const name of [SO_SNDBUF, SO_RCVBUF]) setOption(peer, SOL_SOCKET, name, 65_536);
      told.onReceived = (at, bytes, offset, length) => transport.send(at, bytes, offset, length);
      transport.rest(slot);
      const question = LARGE.bytes.toString("latin1");
      let requested = 0;
      const ask = () => {
        requested += peers.send(peer, question.slice(requested));
      };
      // Continue until nothing moves: all unanswered bytes are then at the peer or in the kernel.
      for (let still = 0; still < 20; ) {
        const before = [requested, told.text(slot).length].join();
        ask();
        transport.turn(1);
        still = [requested, told.text(slot).length].join() === before ? still + 1 : 0;
      }
      expect(told.text(slot).length).toBeLessThan(requested);
      let text = "";
      await turnUntil("all of it comes back", () => {
        ask();
        text += peers.drain(peer).text;
        return text.length === question.length;
      });
      expect(text === question).toBe(true);
      expect(told.text(slot) === question).toBe(true);
    });
  });

  it("accepts a share per turn, and none while accepting is off", async () => {
    const { transport, told, turnUntil, dial } = listening();
    transport.accepts = false;
    transport.turn(0);
    for (let n = 0; n < 20; n++) dial();
    for (let n = 0; n < 5; n++) transport.turn(1);
    expect(told.count("accepted")).toBe(0);
    transport.accepts = true;
    const most: number[] = [];
    await turnUntil("all of them", () => {
      const before = told.count("accepted");
      transport.turn(0);
      most.push(told.count("accepted") - before);
      return told.count("accepted") === 20;
    });
    expect(Math.max(...most)).toBe(BUDGET.accepts);
  });

  it("reports when more than half of its capacity is in use", async () => {
    const { transport, told, turnUntil, dial } = listening({ tableSize: countDescriptors() + 40 });
    for (let n = 0; n < 8; n++) dial();
    await turnUntil("some", () => told.count("accepted") === 8);
    expect(transport.isFilling).toBe(false);
    for (let n = 0; n < 22; n++) dial();
    await turnUntil("many", () => told.count("accepted") === 30);
    expect(transport.isFilling).toBe(transportCase.needsDescriptors);
  });

  it.each([true, false])("ends everything and leaves nothing behind, with RST: %s", async (resets) => {
    const { transport, told, turnUntil, dial } = listening();
    const before = countDescriptors();
    const fds = Array.from({ length: 12 }, dial);
    await turnUntil("all of them", () => told.count("accepted") === 12 && peers.areReady());
    // Read everything first: unread bytes would end the connections with RST.
    for (let n = 0; n < 20; n++) transport.turn(0);
    transport.closeAll(resets, () => false);
    transport.dispose();
    for (const peer of fds) expect(await endOf(peer, peers)).toBe(resets ? -ECONNRESET : 0);
    // The peers remain, and the transport's own descriptors are closed.
    expect(countDescriptors()).toBeLessThan(before + 12);
  });
}
