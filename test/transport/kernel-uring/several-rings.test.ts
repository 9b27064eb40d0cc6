// Tests connections in several rings: the worker waits in one of them, and what happens in the others wakes it.
import { describe, expect, it } from "vitest";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import { SYS_IO_URING } from "../../../src/linux/uring/abi.js";
import { UringClient } from "../../../src/transport/kernel-uring/client.js";
import { UringServer } from "../../../src/transport/kernel-uring/server.js";
import { ownAddress } from "../../support/address.js";
import { acceptAll, connectRaw, listenRaw, release } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import {
  clientUnderTest,
  sendRaw,
  serverUnderTest,
  type TransportCase,
  TupleList,
  target,
} from "../../support/transport.js";
import { startActor } from "../../support/while-waiting.js";

const COUNT = 900;
/** Longer than any wait for an event: a worker that is not woken waits this long. */
const LONG_MS = 20_000;
/** Spare ports, in case other programs of the host listen on some of them on all addresses. */
const SPARE = 100;
const CASE: TransportCase = {
  openClient: (options) => {
    const transport = new UringClient(options);
    return transport.begin() || transport;
  },
  openServer: (options) => {
    const transport = new UringServer(options);
    return transport.begin() || transport;
  },
  needsDescriptors: false,
};

describe.skipIf(!hasUring)("several rings", () => {
  it("report every connection and every greeting, although the worker waits in one", () => {
    const { listener, to, from } = target(1);
    const list = new TupleList(Array.from({ length: COUNT + SPARE }, (_, n) => ({ from, port: 2000 + n, to })));
    const { transport, told } = clientUnderTest(CASE, list, { tableSize: 400 });
    for (let n = 0; n < COUNT; n++) transport.open();
    // Each turn waits: if the worker missed an event, turn after turn would take its full time.
    for (let turns = 0; told.count("received") < COUNT && turns < 2000; turns++) {
      transport.turn(20);
      for (const peer of acceptAll(listener)) sendRaw(peer, "hello");
    }
    expect([told.count("opened"), told.count("received"), told.count("failed")]).toEqual([COUNT, COUNT, 0]);
  });

  describe("wake the worker, whichever ring it waits in", () => {
    /** Server with a ring for every two connections. It waits in one of the last rings, where it accepts. */
    async function serving(count: number) {
      const ip = ownAddress();
      const listener = listenRaw(ip, 0);
      const server = serverUnderTest(CASE, listener, { tableSize: 2 });
      const { transport, told, turnUntil } = server;
      told.onAccepted = (slot) => transport.rest(slot);
      const { port } = localAddress(listener);
      const dial = async () => {
        const before = told.count("accepted");
        const peer = connectRaw(ip, port);
        await turnUntil("the connection", () => told.count("accepted") === before + 1);
        return peer;
      };
      const peers: number[] = [];
      for (let n = 0; n < count; n++) peers.push(await dial());
      return { ...server, peers, dial };
    }

    it("with data and ends, one after the other", async () => {
      const { peers, told, transport, dial } = await serving(9);
      const act = await startActor(SYS_IO_URING.enter);
      /** Takes turns that wait until one more event has occurred. */
      const waitFor = (event: string) => {
        const wanted = told.count(event) + 1;
        const startMs = performance.now();
        while (told.count(event) < wanted && performance.now() - startMs < LONG_MS) transport.turn(LONG_MS);
        expect([told.count(event), performance.now() - startMs < LONG_MS / 2]).toEqual([wanted, true]);
      };
      for (const [slot, peer] of peers.entries()) {
        act("write", peer);
        waitFor(`received ${slot}`);
      }
      for (const [slot, peer] of peers.entries()) {
        act("close", release(peer));
        waitFor(`closed ${slot}`);
      }
      // The worker accepts into rings that have room again, and waits in them.
      const others: number[] = [];
      for (let n = 0; n < 9; n++) others.push(await dial());
      for (const peer of others) {
        act("write", peer);
        waitFor("received");
      }
    });

    it("and lets it wait otherwise", async () => {
      const { transport, told } = await serving(9);
      for (let turns = 0; turns < 20; turns++) transport.turn(0);
      const before = told.turns;
      const startMs = performance.now();
      while (performance.now() - startMs < 200) transport.turn(200);
      expect(told.turns - before).toBeLessThan(5);
    });
  });
});
