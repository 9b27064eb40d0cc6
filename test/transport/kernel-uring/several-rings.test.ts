// Tests many in-flight connections in several rings: the work left in one ring is done while the worker waits in
// another.
import { describe, expect, it } from "vitest";
import { UringClient } from "../../../src/transport/kernel-uring/client.js";
import { acceptAll } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import { clientUnderTest, sendRaw, type TransportCase, TupleList, target } from "../../support/transport.js";

const COUNT = 900;
/** Spare ports, in case other programs of the host listen on some of them on all addresses. */
const SPARE = 100;
const CASE: TransportCase = {
  openClient: (options) => {
    const transport = new UringClient(options);
    return transport.begin() || transport;
  },
  openServer: () => -1,
  needsDescriptors: false,
};

describe.skipIf(!hasUring)("several rings", () => {
  it("bring every connection and every greeting, although the worker waits in one", () => {
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
});
