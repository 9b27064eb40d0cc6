// Tests both sides of WebSocket against the contract of all protocols.
import { FAULT } from "../../../src/protocols/codes.js";
import { WebSocketClient } from "../../../src/protocols/websocket/client.js";
import { WebSocketServer } from "../../../src/protocols/websocket/server.js";
import { agreement, frame, KEY, request, SPEC } from "../../support/websocket.js";
import { describeProtocol, encode } from "../contract.js";

const MASK = encode("\x12\x34\x56\x78");
const server = { spec: SPEC, greeting: "", closeAfterGreeting: false };

describeProtocol("a WebSocket's server that echoes", {
  create: (connections, slots) => new WebSocketServer(connections, { ...server, mode: "echo", slots }),
  handshake: request(),
  stream: frame(1, "ping", { mask: "\x01\x82\x03\xf4" }),
  // How much of a text was echoed before it turned out to be invalid UTF-8 depends on how it was split.
  comparable: (said) => (said.refusedWith === FAULT.BAD_UTF8 ? { ...said, sent: "" } : said),
});
describeProtocol("a WebSocket's server that discards", {
  create: (connections, slots) => new WebSocketServer(connections, { ...server, mode: "discard", slots }),
  handshake: request(),
  stream: frame(2, "x".repeat(300), { mask: "mask" }),
});

const message = { bytes: encode("ping"), expected: "echo" } as const;
describeProtocol("a WebSocket's client that expects an echo", {
  create: (connections, slots) =>
    new WebSocketClient(connections, { spec: SPEC, message, slots, key: KEY, mask: MASK }),
  handshake: agreement(),
  stream: frame(1, "ping"),
  early: { stream: frame(1, "ping") + frame(2, "early"), unexpected: 9 },
});
describeProtocol("a WebSocket's client that expects any answer", {
  create: (connections, slots) =>
    new WebSocketClient(connections, {
      spec: SPEC,
      message: { ...message, expected: "any" },
      slots,
      key: KEY,
      mask: MASK,
    }),
  handshake: agreement(),
  stream: frame(1, "pi", { fin: false }) + frame(0, "ng"),
  early: { stream: frame(1, "news"), unexpected: 4 },
});
describeProtocol("a WebSocket's client that sends nothing", {
  create: (connections, slots) => new WebSocketClient(connections, { spec: SPEC, slots, key: KEY, mask: MASK }),
  handshake: agreement(),
  stream: frame(1, "news"),
  early: { stream: frame(1, "news"), unexpected: 0 },
});
