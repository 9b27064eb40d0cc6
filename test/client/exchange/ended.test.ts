// Tests that a connection ends once, although its protocol still handles input when sending an answer has ended it.
import { expect, it } from "vitest";
import { Exchange } from "../../../src/client/exchange/exchange.js";
import { CLIENT_METRICS } from "../../../src/client/metrics.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { WorkerMemory } from "../../../src/engine/worker-memory.js";
import { FAULT } from "../../../src/protocols/codes.js";
import { WebSocketClient } from "../../../src/protocols/websocket/client.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { encode } from "../../protocols/contract.js";
import { agreement, frame, KEY, SPEC } from "../../support/websocket.js";

it("a client whose pong finds no room ends the connection once, however many pings follow", () => {
  let state: number = SLOT.resting;
  let room = Number.POSITIVE_INFINITY;
  const sends: number[] = [];
  const ends: [string, number][] = [];
  const transport = {
    state: () => state,
    send: (_slot: number, _bytes: unknown, _offset: number, length: number) => {
      sends.push(state);
      return Math.min(length, room);
    },
  };
  const end = (how: string, code: number) => {
    ends.push([how, code]);
    exchange.ended(0, true);
    state = SLOT.free;
  };
  const owner = {
    ready: () => undefined,
    close: () => end("closed", 0),
    refused: (_slot: number, code: number) => end("refused", code),
    shown: () => undefined,
    isOpen: () => state === SLOT.resting,
  };
  const shared = new Int32Array(new SharedArrayBuffer(SHARED.words * 4));
  const plan = { reset: false, shared: shared.buffer } as unknown as ConnectPlan;
  const exchange = new Exchange(transport, plan, new WorkerMemory(CLIENT_METRICS.layout), 1, owner, (connections) => {
    return new WebSocketClient(connections, { spec: SPEC, slots: 1, key: KEY });
  });
  const receive = (text: string) => exchange.received(0, encode(text), 0, text.length);
  exchange.opened(0);
  receive(agreement());
  room = 0;
  shared[SHARED.unsentBlocks] = 1_000_000;
  // The last frame violates the protocol.
  receive(frame(9, "ping").repeat(20) + frame(3, ""));
  expect(ends).toEqual([["refused", FAULT.BUFFERS_FULL]]);
  // Whatever the protocol still wants, nothing is sent over a free slot.
  exchange.send(0, encode("x"), 0, 1);
  exchange.sendConstant(0, 0);
  exchange.refused(0, 1);
  exchange.close(0);
  expect(ends).toHaveLength(1);
  expect(sends).not.toContain(SLOT.free);
});
