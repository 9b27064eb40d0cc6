// Tests peers that violate MQTT, on both sides over real sockets: each costs a bounded time and ends in a counted
// failure.
import type { Packet } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { connack, connect, packet, packetsIn } from "../../support/mqtt.js";
import { connectForeign, startClient, startForeignServer, startServer } from "../../support/peers.js";
import { until, within } from "../../support/until.js";

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("a server", () => {
  const startOurs = (options = {}) => startServer({ at: `mqtt://${ownAddress()}:0`, ...options });

  it("gives up on an unfinished CONNECT, and still serves others", async () => {
    const server = await startOurs({ handshakeTimeoutMs: 3000 });
    const silent = await connectForeign(server.address);
    const half = await connectForeign(server.address);
    half.socket.write(bytes(connect().slice(0, 5)));
    const good = await connectForeign(server.address);
    good.socket.write(bytes(connect()));
    await until("the others are closed", () => silent.hasEnded() && half.hasEnded());
    expect(good.hasEnded()).toBe(false);
    // It counts a close after it has made it.
    await until("they are counted", () => server.snapshot().open === 1);
    expect(server.snapshot().ready).toBe(1);
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual([{ phase: "connack", errno: "ETIMEDOUT", count: 2 }]);
  });

  const peers: [string, string, object][] = [
    ["a packet before CONNECT", packet({ cmd: "pingreq" }), { phase: "connack", errno: "BAD_PACKET" }],
    ["TLS", "\x16\x03\x01\x02\x00\x01", { phase: "connack", errno: "BAD_PACKET" }],
    ["HTTP", "GET / HTTP/1.1\r\n\r\n", { phase: "connack", errno: "BAD_PACKET" }],
    ["a CONNECT of 256 MB", "\x10\xff\xff\xff\x7f", { phase: "connack", errno: "PACKET_TOO_LONG" }],
    ["a length of five bytes", "\x10\xff\xff\xff\xff\x01", { phase: "connack", errno: "BAD_PACKET" }],
    ["a second CONNECT", connect() + connect(), { phase: "receive", errno: "BAD_PACKET" }],
    ["a SUBSCRIBE of 256 MB", `${connect()}\x82\xff\xff\xff\x7f`, { phase: "receive", errno: "PACKET_TOO_LONG" }],
    ["a topic that is not UTF-8", `${connect()}\x30\x06\0\x02\xc0\x80\0x`, { phase: "receive", errno: "BAD_PACKET" }],
    ["a topic with a wildcard", `${connect()}\x30\x06\0\x02a#\0x`, { phase: "receive", errno: "BAD_PACKET" }],
    ["QoS 3", `${connect()}\x36\x08\0\x02ab\0\x01\0x`, { phase: "receive", errno: "BAD_PACKET" }],
    ["an identifier of 0", `${connect()}\x32\x08\0\x02ab\0\0\0x`, { phase: "receive", errno: "BAD_PACKET" }],
    [
      "properties beyond the packet's end",
      `${connect()}\x30\x06\0\x02ab\x7fx`,
      { phase: "receive", errno: "BAD_PACKET" },
    ],
    ["a reserved flag", `${connect()}\xc1\0`, { phase: "receive", errno: "BAD_PACKET" }],
    ["an empty SUBSCRIBE", `${connect()}\x82\x03\0\x01\0`, { phase: "receive", errno: "BAD_PACKET" }],
    [
      "an unknown version",
      "\x10\x0c\0\x04MQTT\x07\x02\0\x3c\0\0",
      { phase: "connack", errno: "CONNACK UNSUPPORTED_PROTOCOL_VERSION" },
    ],
    [
      "MQTT 3.1",
      "\x10\x0e\0\x06MQIsdp\x03\x02\0\x3c\0\0",
      { phase: "connack", errno: "CONNACK UNSUPPORTED_PROTOCOL_VERSION" },
    ],
    [
      "a session without an id",
      connect({ clientId: "", clean: true }, 4).replace("MQTT\x04\x02", "MQTT\x04\x00"),
      { phase: "connack", errno: "CONNACK CLIENT_IDENTIFIER_NOT_VALID" },
    ],
  ];
  it.each(peers)("closes a connection that sends %s", async (_, text, failure) => {
    const server = await startOurs();
    const peer = await connectForeign(server.address);
    peer.socket.write(bytes(text));
    await until("it is closed", () => peer.hasEnded());
    const result = await within("the end", server.stop());
    expect(result.failures).toEqual([{ ...failure, count: 1 }]);
  });

  it("disconnects clients that are silent for 1.5 times their keep-alive, with the reason in MQTT 5", async () => {
    const server = await startOurs();
    const [five, three, lively] = await Promise.all([1, 2, 3].map(() => connectForeign(server.address)));
    five!.socket.write(bytes(connect({ keepalive: 1 })));
    three!.socket.write(bytes(connect({ keepalive: 1 }, 4)));
    lively!.socket.write(bytes(connect({ keepalive: 1 })));
    const timer = setInterval(() => lively!.socket.write(bytes(packet({ cmd: "pingreq" }))), 100);
    try {
      await until("the silent ones are closed", () => five!.hasEnded() && three!.hasEnded());
    } finally {
      clearInterval(timer);
    }
    await until("they are counted", () => server.snapshot().open === 1);
    expect(packetsIn(five!.received().toString("latin1")).at(-1)).toMatchObject({ cmd: "disconnect", reasonCode: 141 });
    expect(packetsIn(three!.received().toString("latin1"), 4).at(-1)).toMatchObject({ cmd: "connack" });
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual([{ phase: "receive", errno: "DISCONNECT KEEP_ALIVE_TIMEOUT", count: 2 }]);
  });
});

describe("a client", () => {
  /** Runs a client against a broker that sends these replies, one for each packet. */
  const meet = async (answers: readonly (string | undefined)[], options = {}) => {
    const server = await startForeignServer((socket) => {
      const left = [...answers];
      socket.on("data", () => {
        const answer = left.shift();
        if (answer !== undefined) socket.write(bytes(answer));
      });
    });
    const run = await startClient({ to: `mqtt://${server.at}`, connections: 3, durationMs: 2000, ...options });
    const result = await within("the end", run.done);
    await until("nothing is open there", () => server.sockets.size === 0);
    return result;
  };

  it("gives up on a broker that does not answer CONNECT", async () => {
    const result = await meet([undefined], { handshakeTimeoutMs: 300 });
    expect(result).toMatchObject({
      ready: 0,
      failed: 3,
      failures: [{ phase: "connack", errno: "ETIMEDOUT", count: 3 }],
    });
    expect(result.diagnosis!.finding).toMatchObject({ limit: "peer-silent", whose: "peer" });
  });

  const brokers: [string, string, string][] = [
    ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "BAD_PACKET"],
    ["a CONNACK of 256 MB", "\x20\xff\xff\xff\x7f", "PACKET_TOO_LONG"],
    [
      "a PUBLISH first",
      packet({ cmd: "publish", topic: "a", payload: "x", qos: 0, retain: false, dup: false }),
      "BAD_PACKET",
    ],
    ["return code 3 of MQTT 3.1.1", "\x20\x02\0\x03", "CONNACK SERVER_UNAVAILABLE"],
    ...(
      [
        ["SERVER_UNAVAILABLE", 136],
        ["QUOTA_EXCEEDED", 151],
        ["CONNECTION_RATE_EXCEEDED", 159],
        ["BANNED", 138],
        ["0xFE", 254],
      ] as const
    ).map(([name, code]): [string, string, string] => [
      name,
      `\x20\x03\0${String.fromCharCode(code)}\0`,
      `CONNACK ${name}`,
    ]),
  ];
  it.each(brokers)("reports %s instead of an accepting CONNACK", async (_, answer, errno) => {
    const result = await meet([answer]);
    expect(result).toMatchObject({ ready: 0, failures: [{ phase: "connack", errno, count: 3 }] });
    expect(result.diagnosis!.finding!.evidence).toEqual([`3 × ${errno} (connack)`]);
  });

  it("recognizes a TLS port by the alert that it sends", async () => {
    const result = await meet(["\x15\x03\x03\0\x02\x02\x28"]);
    expect(result).toMatchObject({ ready: 0, failures: [{ phase: "connack", errno: "BAD_PACKET", count: 3 }] });
    expect(result.diagnosis!.finding!.evidence).toEqual(["3 TLS alerts received on connections without TLS"]);
  });

  it("is refused if the broker's limits do not allow its messages", async () => {
    const refuse = async (properties: object, options: object) =>
      (await meet([connack(properties)], { publish: "a", ...options })).failures;
    expect(await refuse({ maximumQoS: 1 }, { qos: 2 })).toEqual([
      { phase: "connack", errno: "CONNACK QOS_NOT_SUPPORTED", count: 3 },
    ]);
    expect(await refuse({ maximumPacketSize: 100 }, { messageBytes: 100 })).toEqual([
      { phase: "connack", errno: "CONNACK PACKET_TOO_LARGE", count: 3 },
    ]);
  });

  const endings: [string, Packet | string, string, string][] = [
    [
      "another client takes its id",
      { cmd: "disconnect", reasonCode: 142 } as Packet,
      "DISCONNECT SESSION_TAKEN_OVER",
      "client-id",
    ],
    [
      "its keep-alive has expired",
      { cmd: "disconnect", reasonCode: 141 } as Packet,
      "DISCONNECT KEEP_ALIVE_TIMEOUT",
      "keep-alive",
    ],
    [
      "the broker shuts down",
      { cmd: "disconnect", reasonCode: 139 } as Packet,
      "DISCONNECT SERVER_SHUTTING_DOWN",
      "peer-closing",
    ],
    ["the broker gives no reason", "\xe0\0", "DISCONNECT NORMAL_DISCONNECTION", "peer-closing"],
    ["it sends a second CONNACK", connack(), "BAD_PACKET", "refused"],
  ];
  it.each(endings)("is lost if %s", async (_, end, errno, limit) => {
    const last = typeof end === "string" ? end : packet(end);
    const result = await meet([connack() + last]);
    expect(result).toMatchObject({ ready: 3, lost: 3, losses: [{ phase: "hold", errno, count: 3 }] });
    expect(result.diagnosis!.finding).toMatchObject({ limit });
  });

  it("is lost if a PINGREQ is not answered", async () => {
    const result = await meet([connack()], { keepAliveMs: 1000, durationMs: 20_000, connections: 2, maxFailed: 0 });
    expect(result.losses).toEqual([{ phase: "hold", errno: "NO_PINGRESP", count: 2 }]);
  });
});
