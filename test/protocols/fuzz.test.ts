// Feeds every decoder altered streams, whole and byte by byte: neither way crashes, both have the same outcome, and the
// memory for incomplete data stays bounded. CODEC_FUZZ_INPUTS sets the number of inputs, which is small by default.
import { expect, it } from "vitest";
import type { ClientProtocol, Protocol } from "../../src/protocols/contract.js";
import { HttpClient } from "../../src/protocols/http/client.js";
import { HttpServer } from "../../src/protocols/http/server.js";
import { MqttClient } from "../../src/protocols/mqtt/client.js";
import { MqttServer } from "../../src/protocols/mqtt/server.js";
import { createClientProtocol } from "../../src/protocols/plain-tcp.js";
import { ProxyReader } from "../../src/protocols/proxy-protocol/reader.js";
import { WebSocketClient } from "../../src/protocols/websocket/client.js";
import { WebSocketServer } from "../../src/protocols/websocket/server.js";
import { chunks, SPEC as HTTP_SPEC, request as httpRequest, message, response } from "../support/http.js";
import { CHUNKED } from "../support/http-sides.js";
import { connack, connect, SPEC as MQTT_SPEC, packet } from "../support/mqtt.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { agreement, frame, KEY, request, SPEC as WS_SPEC } from "../support/websocket.js";
import { encode } from "./contract.js";

const INPUTS = Number(process.env.CODEC_FUZZ_INPUTS ?? 30_000);
const MOST_GROWTH = 64 * 1024 * 1024;
const MASK = "\x37\xfa\x21\x3d";

interface Target {
  readonly create: (host: ProtocolHost) => Protocol | ClientProtocol;
  /** Streams from which inputs are made. */
  readonly seeds: readonly string[];
  /** Sent first, unaltered. */
  readonly prelude?: string;
  /** Messages begun before the input arrives. */
  readonly messages?: number;
}

const message10 = { bytes: encode("0123456789") };
const plain = (options: object) => (host: ProtocolHost) =>
  createClientProtocol(host, { slots: 2, message: { ...message10, ...options }, opening: undefined } as never);
const wsFrames = (mask?: string) => {
  const options = mask === undefined ? {} : { mask };
  return [
    frame(1, "0123456789", options),
    frame(1, "häß", { ...options, fin: false }) + frame(0, "…", options),
    frame(2, "x".repeat(200), options),
    frame(9, "ping", options),
    frame(8, "\x03\xe8bye", options),
    frame(2, "", { ...options, length: 70_000 }),
  ];
};
const wsServer = (host: ProtocolHost) =>
  new WebSocketServer(host, { spec: WS_SPEC, mode: "echo", greeting: "", closeAfterGreeting: false, slots: 2 });
const wsClient = (host: ProtocolHost) =>
  new WebSocketClient(host, { spec: WS_SPEC, message: { ...message10, expected: "echo" }, slots: 2, key: KEY });
const httpServer = (mode: "hello" | "echo") => (host: ProtocolHost) =>
  new HttpServer(host, { spec: HTTP_SPEC, mode, greeting: "hello", closes: false });
const httpSeeds = [
  httpRequest(),
  httpRequest("body"),
  httpRequest("", CHUNKED) + chunks("one", "two"),
  response("body"),
  message("HTTP/1.1 200 OK", CHUNKED) + chunks("one", "two"),
  message("HTTP/1.1 100 Continue"),
  "5\r\nhello\r\n0\r\n\r\n",
];
const mqttSeeds = [
  connect(),
  connect({ will: { topic: "w", payload: Buffer.from("x"), qos: 1 } }),
  connack(),
  packet({ cmd: "publish", topic: "t/1", payload: "hello", qos: 1, messageId: 7, dup: false, retain: false }),
  packet({ cmd: "publish", topic: "t/1", payload: "x".repeat(300), qos: 0, dup: false, retain: false }),
  packet({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a/#", qos: 1 }] }),
  packet({ cmd: "suback", messageId: 1, granted: [1] }),
  packet({ cmd: "puback", messageId: 1 }),
  packet({ cmd: "pubrec", messageId: 1 }),
  packet({ cmd: "pubrel", messageId: 1 }),
  packet({ cmd: "pingreq" }) + packet({ cmd: "pingresp" }),
  packet({ cmd: "disconnect", reasonCode: 0 }),
];

/** Reads a PROXY protocol header, says whose it is, and echoes what follows. */
const proxied = (host: ProtocolHost): Protocol => {
  const reader = new ProxyReader();
  const has: boolean[] = [];
  return {
    ...{ slotBytes: 0, constants: [], replies: "any", handshake: "none", heartbeatMs: 0 },
    opened: (slot) => {
      has[slot] = false;
    },
    received: (slot, bytes, start, end) => {
      const headerEnd = has[slot] ? start : reader.read(slot, bytes, start, end);
      if (headerEnd < -1) host.refused(slot, -headerEnd);
      if (headerEnd < 0) return;
      const client = encode(has[slot] ? "" : JSON.stringify([reader.version, reader.client() ?? null]));
      has[slot] = true;
      host.send(slot, client, 0, client.length);
      host.send(slot, bytes, headerEnd, end);
    },
    beat: () => undefined,
    closing: () => undefined,
    closed: (slot) => reader.drop(slot),
  };
};
const proxyV2 = (kind: string, rest: string) =>
  `\r\n\r\n\0\r\nQUIT\n${kind}\0${String.fromCharCode(rest.length)}${rest}`;
const proxySeeds = [
  "PROXY TCP4 192.0.2.1 192.0.2.33 1024 80\r\n",
  "PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 65535 1\r\n",
  "PROXY UNKNOWN\r\n",
  proxyV2("\x21\x11", "\x0a\0\0\x01\x0a\0\0\x02\x12\x34\x01\xbb"),
  proxyV2("\x21\x21", `${"\x20".repeat(36)}\x04\0\x01\0`),
  proxyV2("\x20\0", ""),
];

const TARGETS: Readonly<Record<string, Target>> = {
  "WebSocket frames, server": { create: wsServer, seeds: wsFrames(MASK), prelude: request() },
  "WebSocket frames, client": { create: wsClient, seeds: wsFrames(), prelude: agreement(), messages: 2 },
  "WebSocket upgrades, server": { create: wsServer, seeds: [request(), request({ Host: undefined })] },
  "WebSocket upgrades, client": { create: wsClient, seeds: [agreement(), agreement({ Upgrade: "x" })] },
  "HTTP, server": { create: httpServer("hello"), seeds: httpSeeds },
  "HTTP, echo server": { create: httpServer("echo"), seeds: httpSeeds },
  "HTTP, client": { create: (host) => new HttpClient(host, HTTP_SPEC, 2), seeds: httpSeeds, messages: 1 },
  "MQTT, server": { create: (host) => new MqttServer(host, MQTT_SPEC, 2), seeds: mqttSeeds, prelude: connect() },
  "MQTT, client": {
    create: (host) =>
      new MqttClient(host, {
        spec: { ...MQTT_SPEC, publish: { topic: "t", qos: 1, isRetained: false, isStamped: false } },
        message: { ...message10, expected: "acknowledgement" },
        slots: 2,
        nextNumber: () => 1,
        publisher: 1,
      }),
    seeds: mqttSeeds,
    prelude: connack(),
    messages: 3,
  },
  "PROXY headers": { create: proxied, seeds: proxySeeds },
  echoes: { create: plain({ expected: "echo" }), seeds: ["0123456789", "01234"], messages: 3 },
  "delimited answers": {
    create: plain({ expected: "until", delimiter: encode("\r\n") }),
    seeds: ["answer\r\n", "\r", "\n"],
    messages: 3,
  },
  "sized answers": { create: plain({ expected: "bytes", answerBytes: 7 }), seeds: ["1234567", "123"], messages: 3 },
};

/** Returns pseudo-random integers below a limit, the same ones for the same seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Joins a few streams, then changes, drops, doubles or adds a few bytes. */
function makeInput(seeds: readonly string[], random: (below: number) => number): Uint8Array {
  let text = "";
  for (let n = random(3); n >= 0; n--) text += seeds[random(seeds.length)];
  for (let n = random(4); n > 0; n--) {
    const at = random(text.length + 1);
    const byte = String.fromCharCode(random(256));
    const how = random(4);
    if (how === 0) text = text.slice(0, at) + byte + text.slice(at + 1);
    else if (how === 1) text = text.slice(0, at) + text.slice(at + 1 + random(3));
    else if (how === 2) text = text.slice(0, at) + text.slice(Math.max(0, at - 3));
    else text = text.slice(0, at) + byte + text.slice(at);
  }
  return encode(text);
}

it.each(Object.entries(TARGETS))(
  "%s: the same whole and byte by byte, in bounded memory",
  (_, { create, seeds, prelude = "", messages = 0 }) => {
    const host = new ProtocolHost();
    const protocol = create(host);
    host.constants = protocol.constants;
    const first = encode(prelude);
    const random = randomFrom(1);

    const outcome = (slot: number, bytes: Uint8Array, size: number) => {
      // A WebSocket server unmasks in place.
      const input = Uint8Array.from(bytes);
      host.unexpectedBytes = host.mismatchedBytes = host.lostMessages = host.repeatedMessages = 0;
      host.opened(slot);
      protocol.opened(slot);
      if (first.length > 0) protocol.received(slot, first, 0, first.length);
      for (let n = 0; n < messages && "due" in protocol; n++) {
        host.begin(protocol, slot);
        host.finish(slot);
      }
      for (let at = 0; at < input.length && !host.hasEnded(slot); at += size) {
        protocol.received(slot, input, at, Math.min(at + size, input.length));
      }
      protocol.closed(slot);
      const said = host.said[slot]!;
      const isRefused = said.refusedWith !== undefined;
      // Content may be shown or echoed before what follows it is found to be invalid. An MQTT 5 server generates random
      // client IDs.
      const sent = isRefused ? "" : protocol instanceof MqttServer ? `${said.sent.length}` : said.sent;
      const { unexpectedBytes, mismatchedBytes, lostMessages, repeatedMessages } = host;
      const counts = [unexpectedBytes, mismatchedBytes, lostMessages, repeatedMessages];
      const content = isRefused ? "" : host.content[slot];
      return JSON.stringify([{ ...said, sent }, content, counts]);
    };

    const before = process.memoryUsage().arrayBuffers;
    for (let n = Math.ceil(INPUTS / Object.keys(TARGETS).length); n > 0; n--) {
      const input = makeInput(seeds, random);
      const whole = outcome(0, input, Math.max(1, input.length));
      const singly = outcome(1, input, 1);
      if (singly !== whole) expect(singly, `input ${Buffer.from(input).toString("hex")}`).toBe(whole);
      host.deliveredUs.length = host.declinedWith.length = 0;
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MOST_GROWTH);
  },
  Math.max(60_000, INPUTS),
);
