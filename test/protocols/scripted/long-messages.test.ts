// Tests that a WebSocket message for which there is no room is refused. A script never receives only a part of it.
import { describe, expect, it } from "vitest";
import { FAULT } from "../../../src/protocols/codes.js";
import type { ScriptedSide } from "../../../src/protocols/scripted/side.js";
import { ScriptedWebSocketClient, ScriptedWebSocketServer } from "../../../src/protocols/scripted/websocket.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { agreementTo, request, SPEC } from "../../support/websocket.js";
import { encode } from "../contract.js";

const MIB = 1024 * 1024;
/** More than what is buffered for all of a worker's connections together. */
const TOO_MUCH = 17 * MIB;
const spec = { ...SPEC, maxMessageBytes: 64 * MIB };

/** Returns a frame of zeros, masked with zeros. */
function zeros(first: number, length: number, isMasked: boolean): Buffer {
  const bytes = Buffer.alloc(10 + (isMasked ? 4 : 0) + length);
  bytes[0] = first;
  bytes[1] = 127 | (isMasked ? 128 : 0);
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

function ping(isMasked: boolean): Buffer {
  return Buffer.from(isMasked ? [0x89, 0x80, 0, 0, 0, 0] : [0x89, 0]);
}

describe.each(["server", "client"])("a %s's script", (role) => {
  const isServer = role === "server";

  const open = () => {
    const host = new ProtocolHost();
    const lengths: number[] = [];
    const script = {
      handshake: "none",
      heartbeatMs: 0,
      slotBytes: 0,
      isAnswered: false,
      opened: () => undefined,
      closed: () => undefined,
      received: (_slot: number, _bytes: Uint8Array, start: number, end: number) => lengths.push(end - start),
    } as unknown as ScriptedSide;
    const side = isServer
      ? new ScriptedWebSocketServer(host, spec, () => script)
      : new ScriptedWebSocketClient(host, spec, 1, () => script);
    host.constants = side.constants;
    host.opened(0);
    side.opened(0);
    const head = encode(isServer ? request() : agreementTo(host.said[0]!.sent));
    side.received(0, head, 0, head.length);
    const receive = (...frames: Buffer[]) => {
      const bytes = Buffer.concat(frames);
      side.received(0, bytes, 0, bytes.length);
    };
    return { lengths, said: host.said[0]!, receive };
  };

  it("receives a message that arrives in parts", () => {
    const { lengths, said, receive } = open();
    receive(zeros(0x02, MIB, isServer));
    receive(zeros(0x80, MIB, isServer), ping(isServer));
    expect(lengths).toEqual([2 * MIB]);
    expect(said.refusedWith).toBeUndefined();
  });

  it.each([
    ["its second part", [zeros(0x02, 6 * MIB, isServer)], [zeros(0x80, 6 * MIB, isServer)]],
    ["its first part", [zeros(0x02, TOO_MUCH, isServer)], [zeros(0x80, 1, isServer)]],
    ["what precedes a ping", [zeros(0x02, TOO_MUCH, isServer), ping(isServer)], [zeros(0x80, 1, isServer)]],
  ])("does not receive one that finds no room for %s", (_, first, second) => {
    const { lengths, said, receive } = open();
    receive(...first);
    receive(...second);
    expect(lengths).toEqual([]);
    expect(said.refusedWith).toBe(FAULT.FRAME_TOO_LONG);
    // Close code 1009: the message is too big.
    if (isServer) expect(said.sent.endsWith("\x88\x02\x03\xf1")).toBe(true);
  });
});
