// Tests the close codes that a script's WebSocket peer receives.
import { expect, it } from "vitest";
import { CODES, FAULT } from "../../../src/protocols/codes.js";
import type { Link } from "../../../src/protocols/scripted/link.js";
import type { ScriptedSide } from "../../../src/protocols/scripted/side.js";
import { ScriptedWebSocketServer } from "../../../src/protocols/scripted/websocket.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { request, SPEC } from "../../support/websocket.js";
import { encode } from "../contract.js";

const script = { handshake: "none", heartbeatMs: 0, slotBytes: 0, isAnswered: false, opened: () => undefined };

it.each<[string, number, (link: Link) => void]>([
  ["1000 if its script closes the connection", 1000, (link) => link.finish(0)],
  ["1008 if its script refuses the peer", 1008, (link) => link.reject(0, CODES.scripted + 403)],
  ["1011 if a handler throws", 1011, (link) => link.reject(0, FAULT.HANDLER_ERROR)],
])("a server sends %s", (_, code, end) => {
  const host = new ProtocolHost();
  let link: Link | undefined;
  const side = new ScriptedWebSocketServer(host, SPEC, (given) => {
    link = given;
    return script as unknown as ScriptedSide;
  });
  host.constants = side.constants;
  host.opened(0);
  side.opened(0);
  const head = encode(request());
  side.received(0, head, 0, head.length);
  end(link!);
  expect(host.said[0]!.sent.endsWith(`\x88\x02${String.fromCharCode(code >> 8, code & 255)}`)).toBe(true);
});
