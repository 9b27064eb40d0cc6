// Tests MQTT packets against the `mqtt-packet` package, in both directions, with streams that are split and altered at
// random.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CODES, codeName } from "../../../src/protocols/codes.js";
import { MqttClient } from "../../../src/protocols/mqtt/client.js";
import { lengthAt, lengthSize, sizeOfLength, writeLength } from "../../../src/protocols/mqtt/packet.js";
import { parseReason, reasonName } from "../../../src/protocols/mqtt/reasons.js";
import { Sequences } from "../../../src/protocols/mqtt/sequences.js";
import { MqttServer } from "../../../src/protocols/mqtt/server.js";
import { readStamp } from "../../../src/protocols/mqtt/stamp.js";
import { answerOf, mqttSpec, stampedPayload } from "../../../src/protocols/spec/mqtt.js";
import type { MqttSpec } from "../../../src/protocols/spec/spec.js";
import { connack, connect, packet, packetsIn, SPEC } from "../../support/mqtt.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { encode } from "../contract.js";

const versions = [4, 5] as const;

/**
 * Returns a client with one connection, number 42, and what it has sent, or has sent since `stream` if that is given.
 */
function client(spec: Partial<MqttSpec>, options: { payload?: Uint8Array; stream?: string; publisher?: number } = {}) {
  const host = new ProtocolHost();
  const whole = { ...SPEC, ...spec };
  const message = options.payload && { bytes: options.payload, expected: answerOf(whole) };
  const { publisher = 1 } = options;
  const side = new MqttClient(host, { spec: whole, message, slots: 1, nextNumber: () => 42, publisher });
  host.constants = side.constants;
  host.opened(0);
  side.opened(0);
  const receive = (text: string) => side.received(0, encode(text), 0, text.length);
  if (options.stream !== undefined) {
    host.said[0]!.sent = "";
    receive(options.stream);
  }
  return { host, side, receive, said: host.said[0]! };
}

/** Returns a server and its answers. */
function server(stream: string, sizes: readonly number[] = [stream.length || 1]) {
  const host = new ProtocolHost();
  const side = new MqttServer(host, SPEC, 1);
  host.opened(0);
  side.opened(0);
  for (let at = 0, n = 0; at < stream.length && !host.hasEnded(0); n++) {
    const piece = encode(stream.slice(at, at + sizes[n % sizes.length]!));
    side.received(0, piece, 0, piece.length);
    at += piece.length;
  }
  return { host, side, said: host.said[0]! };
}

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((it) => !/[\0+#%]/.test(it));
const qos = fc.constantFrom(0, 1, 2);

describe("a client's packets", () => {
  it("CONNECT and SUBSCRIBE are read correctly by mqtt-packet, whatever they contain", () => {
    const specs = fc.record({
      version: fc.constantFrom(...versions),
      clientId: text,
      username: fc.option(text, { nil: undefined }),
      keepAliveSec: fc.nat(65_535),
      cleanStart: fc.boolean(),
      sessionExpirySec: fc.nat(2 ** 31),
      will: fc.option(fc.record({ topic: text, message: text, qos, isRetained: fc.boolean() }), { nil: undefined }),
      topics: fc.array(text, { minLength: 1, maxLength: 3 }),
      qos,
    });
    fc.assert(
      fc.property(specs, ({ topics, qos: wanted, ...spec }) => {
        const { username, will, version } = spec;
        const given = {
          ...spec,
          password: username === undefined ? undefined : "p%i",
          subscribe: { topics: [...topics, "n/%i/#"], qos: wanted },
        };
        const { said, receive } = client(given);
        expect(packetsIn(said.sent, version)).toMatchObject([
          {
            cmd: "connect",
            protocolVersion: version,
            clientId: spec.clientId,
            keepalive: spec.keepAliveSec,
            clean: spec.cleanStart,
            ...(username === undefined ? {} : { username, password: Buffer.from("p42") }),
            ...(will
              ? {
                  will: {
                    topic: will.topic,
                    payload: Buffer.from(will.message),
                    qos: will.qos,
                    retain: will.isRetained,
                  },
                }
              : {}),
            ...(version === 5 && spec.sessionExpirySec > 0
              ? { properties: { sessionExpiryInterval: spec.sessionExpirySec } }
              : {}),
          },
        ]);
        said.sent = "";
        receive(version === 5 ? connack() : "\x20\x02\0\0");
        expect(packetsIn(said.sent, version)).toMatchObject([
          {
            cmd: "subscribe",
            messageId: 1,
            subscriptions: [...topics, "n/42/#"].map((topic) => ({ topic, qos: wanted })),
          },
        ]);
        expect(said.isReady).toBe(false);
        const granted = topics.map(() => 0);
        receive(packet({ cmd: "suback", messageId: 1, granted: [...granted, wanted] }, version));
        expect(said).toMatchObject({ isReady: true, refusedWith: undefined });
      }),
    );
  });

  it("PUBLISH has topic, identifier, payload and stamp, for every length of the header", () => {
    for (const version of versions) {
      for (const wanted of [0, 1, 2]) {
        for (const size of [24, 90, 127, 128, 16_383, 16_384, 2_097_152]) {
          const publish = { topic: "a/%i/b", qos: wanted, isRetained: true, isStamped: true };
          const stream = version === 5 ? connack() : "\x20\x02\0\0";
          const { host, side, said } = client({ version, publish }, { payload: stampedPayload(size), stream });
          for (let n = 1; n <= 2; n++) {
            host.nowUs = 1e15 + n;
            host.begin(side, 0);
            host.finish(0);
          }
          const published = packetsIn(said.sent, version);
          expect(published).toHaveLength(2);
          published.forEach((each, n) => {
            const { payload, ...head } = each as { payload: Buffer };
            expect(head).toMatchObject({ cmd: "publish", topic: "a/42/b", qos: wanted, retain: true, dup: false });
            if (wanted > 0) expect(each).toMatchObject({ messageId: n + 1 });
            expect(payload).toHaveLength(size);
            const stamp = { publisher: 0, number: 0, sequence: 0, dueUs: 0 };
            expect(readStamp(stamp, payload, 0, size)).toBe(true);
            expect(stamp).toEqual({ publisher: 1, number: 42, sequence: n + 1, dueUs: 1e15 + n + 1 });
          });
        }
      }
    }
  });

  it("identifiers wrap around after 65,535, and the broker's Receive Maximum is respected", () => {
    const publish = { topic: "a", qos: 1, isRetained: false, isStamped: false };
    const stream = connack({ receiveMaximum: 3 });
    const { host, side, said, receive } = client({ publish }, { payload: Buffer.from("x"), stream });
    host.keeps = false;
    for (let n = 0; n < 65_534; n++) {
      host.begin(side, 0);
      host.finish(0);
      receive(packet({ cmd: "puback", messageId: n + 1, reasonCode: 0 }));
    }
    host.keeps = true;
    said.sent = "";
    for (let n = 0; n < 3; n++) {
      expect(side.isBusy(0)).toBe(false);
      host.begin(side, 0);
      host.finish(0);
    }
    expect(packetsIn(said.sent).map((each) => each.messageId)).toEqual([65_535, 1, 2]);
    expect(side.isBusy(0)).toBe(true);
    receive(packet({ cmd: "puback", messageId: 65_535, reasonCode: 0 }));
    expect([side.isBusy(0), said.answered]).toEqual([false, 1]);
    receive(packet({ cmd: "puback", messageId: 1, reasonCode: 151 }));
    expect([said.missed, host.declinedWith.map(codeName)]).toEqual([1, ["PUBACK QUOTA_EXCEEDED"]]);
  });

  it("acknowledges messages published to it once they are complete", () => {
    const publish = (wanted: 1 | 2, messageId: number) =>
      packet({
        cmd: "publish",
        topic: "a",
        payload: "x".repeat(1000),
        qos: wanted,
        messageId,
        retain: false,
        dup: false,
      });
    const { said, receive, host } = client({}, { stream: connack() });
    receive(publish(1, 5).slice(0, -1));
    expect(said.sent).toBe("");
    receive(`x${publish(2, 6)}`);
    expect(packetsIn(said.sent)).toMatchObject([
      { cmd: "puback", messageId: 5 },
      { cmd: "pubrec", messageId: 6 },
    ]);
    receive(packet({ cmd: "pubrel", messageId: 6 }));
    expect(packetsIn(said.sent)[2]).toMatchObject({ cmd: "pubcomp", messageId: 6 });
    expect(host.content[0]).toBe("x".repeat(2000));
    expect(host.deliveredUs).toEqual([Number.NaN, Number.NaN]);
  });

  it("counts lost and repeated messages, its own and others'", () => {
    const publish = { topic: "a", qos: 0, isRetained: false, isStamped: true };
    const own = client(
      { publish, subscribe: { topics: ["a"], qos: 0 } },
      { payload: stampedPayload(), stream: connack() },
    );
    own.receive(packet({ cmd: "suback", messageId: 1, granted: [0] }));
    own.said.sent = "";
    for (let n = 0; n < 6; n++) {
      own.host.begin(own.side, 0);
      own.host.finish(0);
    }
    const sent = own.said.sent.match(/[\s\S]{30}/g)!;
    for (const n of [0, 1, 1, 4, 2, 5]) own.receive(sent[n]!);
    expect(own.said).toMatchObject({ answered: 4, missed: 2 });
    expect(own.host).toMatchObject({ lostMessages: 2, repeatedMessages: 2 });
    expect(own.host.deliveredUs).toHaveLength(6);
    expect(own.host.unanswered(0)).toBe(0);
    // A seventh publisher is not tracked.
    own.receive(sent[5]!.replace("\0\0\0\x06", "\0\0\0\x07"));
    expect(own.said).toMatchObject({ answered: 4, missed: 2 });
    const other = client({}, { stream: connack(), publisher: 2 });
    for (const n of [1, 2, 5, 5, 3]) other.receive(sent[n]!);
    expect(other.host).toMatchObject({ lostMessages: 2, repeatedMessages: 2 });
  });
});

describe("a server's answers", () => {
  it.each(versions)("are read correctly by mqtt-packet, in version %i", (version) => {
    const of = (each: object) => packet(each as never, version);
    const { said } = server(
      connect(
        {
          will: { topic: "w", payload: Buffer.from("gone"), qos: 1, retain: true },
          username: "u",
          password: Buffer.from("p"),
        },
        version,
      ) +
        of({
          cmd: "subscribe",
          messageId: 3,
          subscriptions: [
            { topic: "a/+", qos: 2 },
            { topic: "ü/#", qos: 0 },
          ],
        }) +
        of({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a/+", "b"] }) +
        of({ cmd: "publish", topic: "a", payload: "0", qos: 0, retain: false, dup: false }) +
        of({ cmd: "publish", topic: "a", payload: "1", qos: 1, messageId: 5, retain: false, dup: false }) +
        of({ cmd: "publish", topic: "a", payload: "2", qos: 2, messageId: 6, retain: true, dup: true }) +
        of({ cmd: "pubrel", messageId: 6 }) +
        of({ cmd: "pingreq" }),
    );
    expect(packetsIn(said.sent, version)).toMatchObject([
      { cmd: "connack", ...(version === 5 ? { reasonCode: 0 } : { returnCode: 0 }), sessionPresent: false },
      { cmd: "suback", messageId: 3, granted: [2, 0] },
      { cmd: "unsuback", messageId: 4, ...(version === 5 ? { granted: [0, 0] } : {}) },
      { cmd: "puback", messageId: 5 },
      { cmd: "pubrec", messageId: 6 },
      { cmd: "pubcomp", messageId: 6 },
      { cmd: "pingresp" },
    ]);
    expect(said).toMatchObject({ isReady: true, refusedWith: undefined, isClosed: false });
    expect(server(connect({}, version) + of({ cmd: "disconnect" })).said).toMatchObject({ isClosed: true });
  });

  it("assign an id to clients without one", () => {
    const [answer] = packetsIn(server(connect({ clientId: "" })).said.sent);
    expect(answer).toMatchObject({
      reasonCode: 0,
      properties: { assignedClientIdentifier: expect.stringMatching(/^[0-9a-f]{16}$/) },
    });
  });

  it("grant as many subscriptions as a packet can contain", () => {
    const subscriptions = Array.from({ length: 15_000 }, () => ({ topic: "a", qos: 1 as const }));
    const { said } = server(connect() + packet({ cmd: "subscribe", messageId: 1, subscriptions }), [1000]);
    const [, suback] = packetsIn(said.sent) as [unknown, { granted: number[] }];
    expect(suback.granted).toHaveLength(15_000);
  });

  it("are the same however the packets are split, including invalid ones", () => {
    const next = random(7);
    const whole = streams();
    for (let n = 0; n < 10_000; n++) {
      const stream = mutated(whole[n % whole.length]!, next);
      const outcome = ({ said, side }: ReturnType<typeof server>) => {
        side.closed(0);
        return { ...said, sent: said.sent.replace(/[0-9a-f]{16}/, "an id") };
      };
      const once = outcome(server(stream));
      expect(outcome(server(stream, [1 + (next() % 9), 1 + (next() % 40)]))).toEqual(once);
      if (n % 4 === 0) expect(outcome(server(stream, [1]))).toEqual(once);
    }
  }, 120_000);

  it("accept no CONNECT that mqtt-packet rejects", () => {
    const next = random(11);
    const all = versions.flatMap((version) => [
      connect({}, version),
      connect(
        {
          username: "u",
          password: Buffer.from("p"),
          will: { topic: "w", payload: Buffer.from("x"), qos: 2, retain: false },
        },
        version,
      ),
    ]);
    let accepted = 0;
    for (let n = 0; n < 10_000; n++) {
      const stream = mutated(all[n % all.length]!, next);
      if (!server(stream).said.isReady) continue;
      accepted++;
      // Cut off what follows.
      const whole = stream.slice(0, 2 + stream.charCodeAt(1));
      expect(packetsIn(whole)[0]).toMatchObject({ cmd: "connect" });
    }
    expect(accepted).toBeGreaterThan(500);
  });
});

it("a client behaves the same however an invalid stream is split", () => {
  const next = random(5);
  const publish = { topic: "a", qos: 1, isRetained: false, isStamped: true };
  const whole =
    connack() +
    packet({ cmd: "puback", messageId: 1, reasonCode: 0 }) +
    packet({ cmd: "publish", topic: "a/b", payload: "x".repeat(40), qos: 2, messageId: 5, retain: false, dup: false }) +
    packet({ cmd: "pubrel", messageId: 5 }) +
    packet({ cmd: "pingresp" });
  for (let n = 0; n < 10_000; n++) {
    const stream = mutated(whole, next);
    const outcomes = [[stream.length || 1], [1], [1 + (next() % 9)]].map((sizes) => {
      const { host, side, said } = client({ publish }, { payload: stampedPayload() });
      host.begin(side, 0);
      host.finish(0);
      for (let at = 0; at < stream.length && !host.hasEnded(0); at += sizes[0]!) {
        const piece = encode(stream.slice(at, at + sizes[0]!));
        side.received(0, piece, 0, piece.length);
      }
      side.closed(0);
      return [said, host.deliveredUs, host.lostMessages, host.content[0]];
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[2]).toEqual(outcomes[0]);
  }
}, 120_000);

it("incomplete packets have one limit, however many there are", () => {
  const host = new ProtocolHost();
  const side = new MqttServer(host, SPEC, 1);
  const half = encode(`\x10\x80\x80\x04${"x".repeat(10_000)}`);
  const slots = 5000;
  for (let slot = 0; slot < slots; slot++) {
    host.opened(slot);
    side.opened(slot);
    side.received(slot, half, 0, half.length);
  }
  const refused = host.said.filter(({ refusedWith }) => refusedWith !== undefined).length;
  expect((slots - refused) * half.length).toBeLessThanOrEqual(16 * 1024 * 1024);
  expect(codeName(host.said.at(-1)!.refusedWith!)).toBe("PACKET_TOO_LONG");
  // A connection that ends releases its buffer space.
  side.closed(0);
  host.opened(0);
  side.opened(0);
  side.received(0, half, 0, half.length);
  expect(host.said[0]!.refusedWith).toBeUndefined();
});

describe("encodings", () => {
  it("lengths are read as they were written", () => {
    const bytes = new Uint8Array(8);
    fc.assert(
      fc.property(fc.nat(268_435_455), (length) => {
        const end = writeLength(bytes, 1, length);
        expect([end - 1, lengthSize(bytes, 1, end)]).toEqual([sizeOfLength(length), sizeOfLength(length)]);
        expect(lengthAt(bytes, 1)).toBe(length);
        expect(lengthSize(bytes, 1, end - 1)).toBe(0);
      }),
    );
    expect(lengthSize(Uint8Array.of(255, 255, 255, 255, 1), 0, 5)).toBe(-1);
  });

  it("reason codes have names, and can be looked up by them", () => {
    expect([
      parseReason("server-unavailable"),
      parseReason("Not authorized"),
      parseReason("0x9f"),
      parseReason("151"),
    ]).toEqual([136, 135, 159, 151]);
    expect([
      parseReason("0x00"),
      parseReason("256"),
      parseReason("nonsense"),
      parseReason("normal-disconnection"),
    ]).toEqual([undefined, undefined, undefined, undefined]);
    expect([reasonName(142), reasonName(255)]).toEqual(["SESSION_TAKEN_OVER", "0xFF"]);
    expect(codeName(CODES.mqttSuback + 135)).toBe("SUBACK NOT_AUTHORIZED");
  });

  it.each([
    ["t/%i", "t/%i", 0, "delivery"],
    ["t/+", "t/%i", 2, "delivery"],
    ["#", "t/%i", 0, "delivery"],
    ["t/#", "t", 0, "delivery"],
    ["t/%i", "t/1", 1, "acknowledgement"],
    ["t", "t/%i", 0, "none"],
    ["#", "$SYS/a", 0, "none"],
    ["$share/group/t/%i", "t/%i", 1, "acknowledgement"],
    [undefined, "t", 2, "acknowledgement"],
  ] as const)(
    "subscribed to %s, a message published to %s with QoS %i is answered by: %s",
    (subscribe, publish, qosOf, answer) => {
      expect(answerOf(mqttSpec({ subscribe, publish, qos: qosOf }))).toBe(answer);
    },
  );

  it("sequences of many publishers are kept apart, up to a limit", () => {
    const sequences = new Sequences();
    const known = new Map<string, number>();
    const next = random(3);
    for (let n = 0; n < 50_000; n++) {
      const [receiver, number] = [next() % 50, next() % 100];
      const key = `${receiver} ${number}`;
      const expected = known.get(key);
      const sequence = Math.max(1, (expected ?? 1) + (next() % 5) - 1);
      const said = sequences.note(receiver, 9, number, sequence);
      expect(said).toBe(expected === undefined ? -1 : sequence < expected ? -2 : sequence - expected);
      if (expected === undefined || sequence >= expected) known.set(key, sequence + 1);
    }
    for (let n = 0; n < 1_200_000; n++) sequences.note(n, 1, 1, 1);
    expect(sequences.note(49, 9, 99, 2 ** 31)).toBeGreaterThan(0);
    expect(sequences.note(1_199_999, 1, 1, 5)).toBe(-1);
  });
});

/** Returns a sequence of packets that a client may send. */
function streams(): string[] {
  return versions.map(
    (version) =>
      connect({ clientId: "", username: "u", password: Buffer.from("p") }, version) +
      packet({ cmd: "subscribe", messageId: 3, subscriptions: [{ topic: "a/+", qos: 2 }] }, version) +
      packet(
        { cmd: "publish", topic: "a/b", payload: "x".repeat(150), qos: 1, messageId: 5, retain: false, dup: false },
        version,
      ) +
      packet({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a/+"] }, version) +
      packet({ cmd: "pingreq" }, version),
  );
}

/** Small pseudo-random numbers, the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 16;
  };
}

/** Alters, drops or truncates some bytes. */
function mutated(stream: string, next: () => number): string {
  let result = stream;
  for (let changes = next() % 4; changes > 0; changes--) {
    const at = next() % (result.length + 1);
    const kind = next() % 4;
    if (kind === 0) result = result.slice(0, at);
    else if (kind === 1) result = result.slice(0, at) + result.slice(at + 1);
    else result = result.slice(0, at) + String.fromCharCode(next() & 255) + result.slice(at + (kind === 2 ? 1 : 0));
  }
  return result;
}
