// Tests both sides with foreign peers over real sockets: mosquitto and aedes as brokers, and mosquitto's clients and
// Python's paho as clients. Assertions also use what the foreign side saw.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ConnectOptions, explainRun } from "../../../src/index.js";
import { ownAddress, ownPort } from "../../support/address.js";
import { Authority } from "../../support/certificates.js";
import { startAedes, startMosquitto } from "../../support/mqtt.js";
import { startClient, startServer } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const hasMosquitto = hasProgram("mosquitto");
const hasClients = hasProgram("mosquitto_pub");

async function run(options: ConnectOptions) {
  return within("the end", (await startClient(options)).done);
}

/** Counts the matches of `pattern` in a text. */
const count = (text: string, pattern: RegExp) => [...text.matchAll(new RegExp(pattern, "g"))].length;

/** Starts a relay to a broker that delays what the broker sends. Returns its address. */
async function startDelay({ ip, port, delayMs }: { ip: string; port: number; delayMs: number }): Promise<string> {
  const [own, ownAt] = [ownAddress(), ownPort()];
  const relay = createServer((client) => {
    const broker = connect(port, ip);
    client.pipe(broker);
    broker.on("data", (bytes) => setTimeout(() => client.writable && client.write(bytes), delayMs));
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
    }
  });
  await once(relay.listen(ownAt, own), "listening");
  onTestFinished(() => void relay.close());
  return `${own}:${ownAt}`;
}

async function listening(lines?: readonly string[], files?: Record<string, string>, nofile?: number) {
  const mosquitto = await startMosquitto(lines, files, nofile);
  await until("mosquitto runs", () => /mosquitto version .* running/.test(mosquitto.log()));
  return mosquitto;
}

describe.runIf(hasMosquitto)("our client with mosquitto", () => {
  it.each(["3.1.1", "5"] as const)("connects as requested, in MQTT %s, pings, and disconnects", async (mqttVersion) => {
    const { at, log } = await listening();
    const result = await run({
      to: at,
      connections: 10,
      durationMs: 1500,
      mqttVersion,
      clientId: "device-%i",
      username: "user-%i",
      password: "secret",
      keepAliveMs: 1000,
      willTopic: "wills/%i",
      willMessage: "gone",
      willQos: 1,
      keepSession: true,
      ...(mqttVersion === "5" ? { sessionExpiryMs: 60_000 } : {}),
      close: "fin",
    });
    expect(result).toMatchObject({ outcome: "met", protocol: "mqtt", established: 10, ready: 10, losses: [] });
    expect(result.latency.handshake!.count).toBe(10);
    await until("all have said goodbye", () => count(log(), /Received DISCONNECT from device-\d+/) === 10);
    for (let n = 1; n <= 10; n++) {
      const protocol = mqttVersion === "5" ? "p5" : "p2";
      expect(log()).toMatch(new RegExp(`as device-${n} \\(${protocol}, c0, k1, u'user-${n}'\\)`));
      expect(log()).toContain(`wills/${n}`);
    }
    const pings = count(log(), /Received PINGREQ from device/);
    expect(pings).toBe(result.heartbeats!.sent);
    // The last ping of a connection may be unanswered when it is closed.
    expect(result.heartbeats!.answered).toBeGreaterThanOrEqual(pings - 10);
    expect(result.heartbeats!.answered).toBeGreaterThan(0);
    expect(pings).toBeGreaterThanOrEqual(10);
  });

  it.each([0, 1, 2] as const)("publishes with QoS %i, and receives what it published", async (qos) => {
    const { at, log } = await listening();
    const result = await run({
      to: at,
      connections: 10,
      durationMs: 500,
      clientId: "c%i",
      subscribe: "t/%i",
      publish: "t/%i",
      qos,
      messageRatePerSec: 20,
      messageBytes: 1000,
    });
    expect(result).toMatchObject({ outcome: "met", ready: 10, losses: [], failures: [] });
    const { messages, deliveries, latency } = result;
    expect(messages).toMatchObject({ expected: "delivery", bytes: 1000, unanswered: 0, missed: 0 });
    expect(messages!.answered).toBeGreaterThan(50);
    expect(deliveries).toEqual({ received: messages!.answered, lost: 0, undelivered: 0, repeated: 0 });
    expect(latency.roundTrip.count).toBe(messages!.due - messages!.inFlight);
    expect(latency.delivery!.count).toBe(messages!.answered);
    const published = new RegExp(
      `Received PUBLISH from c\\d+ \\(d0, q${qos}, r0, m\\d+, 't/\\d+', \\.\\.\\. \\(1000 bytes`,
    );
    await until("it has seen all", () => count(log(), published) === messages!.sent);
    // Both directions are acknowledged.
    const acknowledged = [/none/, /Received PUBACK from c\d/, /Received PUBCOMP from c\d/][qos]!;
    // A connection may be closed before its last exchange has finished.
    expect(count(log(), acknowledged)).toBeGreaterThanOrEqual(qos === 0 ? 0 : messages!.answered - 10);
  });

  it.each([1, 2] as const)("waits for acknowledgements of its own payload with QoS %i", async (qos) => {
    const { at, log } = await listening();
    const options = { publish: "readings", message: '{"t":20}', messageRatePerSec: 50, durationMs: 400 };
    const result = await run({ to: at, connections: 5, mqttVersion: "3.1.1", qos, ...options });
    expect(result).toMatchObject({ outcome: "met", deliveries: undefined });
    expect(result.messages).toMatchObject({ expected: "acknowledgement", bytes: 8, unanswered: 0 });
    expect(result.latency.roundTrip.count).toBe(result.messages!.answered);
    const published = /Received PUBLISH from .*'readings', \.\.\. \(8 bytes\)/;
    await until("it has seen all", () => count(log(), published) === result.messages!.sent);
  });

  it("respects the broker's Receive Maximum, and sends due messages when it may", async () => {
    const { at } = await listening(["allow_anonymous true", "max_inflight_messages 2"]);
    const result = await run({ to: at, connections: 2, publish: "a", qos: 1, messageRatePerSec: 500, durationMs: 500 });
    // A broker that receives more than this at once closes the connection.
    expect(result).toMatchObject({ ready: 2, losses: [], failures: [] });
    expect(result.messages!.answered).toBeGreaterThan(20);
  });

  it("counts what a broker drops for a slow subscriber, and misses its target", async () => {
    const { at } = await listening(["allow_anonymous true", "max_inflight_messages 1", "max_queued_messages 5"]);
    const all = { publish: "t", subscribe: "t", qos: 1, messageRatePerSec: 2000, durationMs: 500 } as const;
    const result = await run({ to: at, connections: 2, ...all });
    const { received, lost = 0, undelivered = 0 } = result.deliveries!;
    expect(lost).toBeGreaterThan(0);
    const missing = lost + undelivered;
    expect(missing).toBe(2 * result.messages!.sent - received);
    expect(result.misses).toContainEqual({ kind: "undelivered", count: missing, of: received + missing });
    expect(result.outcome).toBe("missed");
    expect((await explainRun(result)).finding).toMatchObject({ limit: "messages", whose: "peer" });
  });

  it("does not take the messages of a shared subscription's other members for lost", async () => {
    const { at } = await listening();
    const options = {
      publish: "t",
      subscribe: "$share/all/t",
      qos: 1,
      messageRatePerSec: 50,
      durationMs: 500,
    } as const;
    const result = await run({ to: at, connections: 4, ...options });
    expect(result.outcome).toBe("met");
    expect(result.deliveries!.received).toBeGreaterThan(50);
    expect(result.deliveries).toMatchObject({ lost: undefined, undelivered: undefined, repeated: 0 });
  });

  it("publishes on a schedule even over a single connection, and reports it", async () => {
    const { at } = await listening();
    const once = { publish: "t", qos: 1, messageRatePerSec: 50, durationMs: 300 } as const;
    const result = await run({ to: at, connections: 1, ...once });
    expect(result).toMatchObject({ outcome: "met", ready: 1, openAtStop: 1 });
    expect(result.messages!.answered).toBeGreaterThan(5);
  });

  it("blames the broker's descriptors for connections that it closes", async () => {
    const { at } = await listening(["allow_anonymous true"], {}, 100);
    const result = await run({ to: at, connections: 150, durationMs: 500 });
    expect(result.ready).toBeGreaterThan(80);
    expect((await explainRun(result)).finding).toMatchObject({ limit: "nofile", whose: "peer" });
  });

  it("measures in one run what another publishes, for any number of subscribers", async () => {
    const { at } = await listening();
    const subscriber = await startClient({
      to: at,
      connections: 4,
      subscribe: ["news/#"],
      qos: 1,
      durationMs: Number.POSITIVE_INFINITY,
    });
    await subscriber.ready;
    const published = await run({
      to: at,
      connections: 3,
      publish: "news/%i",
      qos: 1,
      messageRatePerSec: 20,
      durationMs: 300,
    });
    expect(published.outcome).toBe("met");
    const expected = 4 * published.messages!.sent;
    await until("all have come", () => subscriber.snapshot().receivedMessages === expected);
    const result = await within("the end", subscriber.stop());
    expect(result.deliveries).toEqual({ received: expected, lost: 0, repeated: 0 });
    expect(result.latency.delivery!.count).toBe(expected);
    expect(result.latency.delivery!.minUs).toBeGreaterThanOrEqual(0);
    expect(result.latency.delivery!.maxUs).toBeLessThan(25e6);
    expect(result.messages).toBeUndefined();
  });

  it.runIf(hasClients)("prints what a single connection receives", async () => {
    const { at, ip, port } = await listening();
    const subscriber = await startClient({ to: at, subscribe: "news" });
    const texts: string[] = [];
    subscriber.on("received", (text) => texts.push(text));
    await subscriber.ready;
    const pub = start("mosquitto_pub", ["-h", ip, "-p", `${port}`, "-t", "news", "-m", "grüße"]);
    expect((await pub.exited()).code).toBe(0);
    await until("it has come", () => texts.join("") === "grüße");
    const result = await within("the end", subscriber.stop());
    expect(result.deliveries).toEqual({ received: 1, lost: 0, repeated: 0 });
    // The message has no stamp with its due time.
    expect(result.latency.delivery).toBeUndefined();
  });

  it.each([
    ["3.1.1", "NOT_AUTHORIZED"],
    ["5", "NOT_AUTHORIZED"],
  ] as const)("reports in MQTT %s that its password is wrong", async (mqttVersion, reason) => {
    const passwords =
      "known:$7$101$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n";
    const { at } = await listening(["allow_anonymous false", "password_file FOLDER/passwords"], { passwords });
    const result = await run({ to: at, connections: 5, mqttVersion, username: "known", password: "wrong" });
    const errno = `CONNACK ${reason}`;
    expect(result).toMatchObject({
      outcome: "missed",
      established: 5,
      ready: 0,
      failures: [{ phase: "connack", errno, count: 5 }],
      diagnosis: { finding: { limit: "credentials", whose: "local", evidence: [`5 × ${errno} (connack)`] } },
    });
  });

  it("reports what the broker's rules forbid: subscribing, publishing", async () => {
    const acl = "topic write none\ntopic read none\n";
    const { at } = await listening(["allow_anonymous true", "acl_file FOLDER/acl"], { acl });
    const published = await run({
      to: at,
      connections: 2,
      publish: "secret",
      qos: 1,
      durationMs: 300,
      messageRatePerSec: 20,
    });
    expect(published).toMatchObject({ outcome: "missed", ready: 2, lost: 0 });
    expect(published.failures).toEqual([
      { phase: "receive", errno: "PUBACK NOT_AUTHORIZED", count: published.messages!.unanswered },
    ]);
    expect(published.diagnosis!.finding).toMatchObject({ limit: "credentials", whose: "local" });
  });
});

describe("our client with aedes", () => {
  it("connects, subscribes, and publishes with every QoS", async () => {
    const { at, broker } = await startAedes();
    const seen: string[] = [];
    broker.on("publish", ({ topic, qos }, client) => client && seen.push(`${topic} ${qos}`));
    for (const qos of [0, 1, 2] as const) {
      const options = { subscribe: "t/%i", publish: "t/%i", qos, messageRatePerSec: 20, durationMs: 300 };
      const result = await run({ to: at, connections: 5, mqttVersion: "3.1.1", ...options });
      expect(result).toMatchObject({ outcome: "met", ready: 5, losses: [], failures: [] });
      const { sent, answered, inFlight, unanswered } = result.messages!;
      expect([answered + inFlight, unanswered]).toEqual([sent, 0]);
      expect(answered).toBeGreaterThan(0);
      expect(result.deliveries).toEqual({ received: answered, lost: 0, undelivered: 0, repeated: 0 });
      // A connection may be closed before its last exchange has finished; with QoS 2, the message is published only
      // then.
      const published = () => seen.filter((text) => text.endsWith(` ${qos}`)).length;
      await until("it has seen what was delivered", () => published() >= answered && published() <= sent);
    }
    expect(new Set(seen.map((text) => text.split(" ")[0]))).toEqual(new Set(["t/1", "t/2", "t/3", "t/4", "t/5"]));
  });

  it("counts messages that the broker loses or repeats", async () => {
    const { at } = await startAedes({
      authorizeForward: (_, packet) => {
        const sequence = Buffer.from(packet.payload).readUInt32BE(12);
        return sequence % 3 === 0 ? null : packet;
      },
    });
    const options = { subscribe: ["t/%i"], publish: "t/%i", messageRatePerSec: 20, durationMs: 1000 };
    const result = await run({ to: at, connections: 3, mqttVersion: "3.1.1", ...options });
    const { messages, deliveries } = result;
    expect(result).toMatchObject({ outcome: "missed", diagnosis: { finding: { limit: "messages", whose: "peer" } } });
    expect(messages!.unanswered).toBeGreaterThan(0);
    expect(messages!.answered + messages!.unanswered + messages!.inFlight).toBe(messages!.sent);
    expect(deliveries!.lost).toBeGreaterThan(0);
    expect(deliveries!.lost! + deliveries!.undelivered!).toBe(messages!.unanswered);
    expect(deliveries!.received).toBe(messages!.answered);
  });

  it.each(["none", undefined] as const)(
    "counts messages lost at the end of their sequences, which leave no gap (--expect %s)",
    async (expect_) => {
      let dropped = 0;
      const { at } = await startAedes({
        authorizeForward: (_, packet) => {
          const isDropped = Buffer.from(packet.payload).readUInt32BE(12) > 5;
          if (isDropped) dropped += 1;
          return isDropped ? null : packet;
        },
      });
      const options = { subscribe: "t", publish: "t", messageRatePerSec: 20, durationMs: 800, mqttVersion: "3.1.1" };
      const result = await run({ to: at, connections: 3, expect: expect_, ...options } as ConnectOptions);
      const { received, lost, undelivered } = result.deliveries!;
      expect(dropped).toBeGreaterThan(20);
      expect([received + dropped, lost, undelivered]).toEqual([3 * result.messages!.sent, 0, dropped]);
      expect(result.misses).toContainEqual({ kind: "undelivered", count: dropped, of: received + dropped });
      const { finding } = result.diagnosis!;
      expect(finding!.meaning).toBe("the broker did not deliver the last messages: it dropped them, or is behind");
      expect(finding!.evidence.join()).toContain(`${dropped} had not arrived at the end`);
    },
  );

  it("counts all of its messages as undelivered if none comes back", async () => {
    const { at } = await startAedes({ authorizeForward: () => null });
    const options = { subscribe: "t/%i", publish: "t/%i", messageRatePerSec: 20, durationMs: 300, expect: "none" };
    const result = await run({ to: at, connections: 2, mqttVersion: "3.1.1", ...options } as ConnectOptions);
    const { sent } = result.messages!;
    expect(sent).toBeGreaterThan(4);
    expect(result).toMatchObject({ outcome: "missed", deliveries: { received: 0, lost: 0, undelivered: sent } });
  });

  it("waits for deliveries that are on their way, and leaves out those of closed connections", async () => {
    const { ip, port, broker } = await startAedes();
    const relay = await startDelay({ ip, port, delayMs: 300 });
    const options = { subscribe: "t", publish: "t", qos: 1, messageRatePerSec: 20, durationMs: 900, expect: "none" };
    const run_ = await startClient({
      to: `mqtt://${relay}`,
      connections: 3,
      mqttVersion: "3.1.1",
      ...options,
    } as ConnectOptions);
    await until("a connection has published", () => run_.snapshot().sentMessages > 10);
    // Closing one connection loses what is on its way to it, which is a lost connection, not a lost message.
    const [client] = Object.values((broker as unknown as { clients: Record<string, { conn: Socket }> }).clients);
    client!.conn.destroy();
    const result = await within("the end", run_.done);
    expect(result).toMatchObject({ lost: 1, deliveries: { lost: 0, undelivered: 0 } });
    expect(result.misses!.map(({ kind }) => kind)).toEqual(["lost"]);
    expect(result.latency.delivery!.minUs).toBeGreaterThan(300_000);
  });

  it("reports a wrong user name, and a refused subscription", async () => {
    const { at } = await startAedes({
      authenticate: (_, name, __, done) =>
        done(name === "good" ? null : Object.assign(new Error("no"), { returnCode: 4 }), name === "good"),
      authorizeSubscribe: (_, subscription, done) => done(null, subscription.topic === "open" ? subscription : null),
    });
    const bad = await run({ to: at, connections: 2, mqttVersion: "3.1.1", username: "bad" });
    expect(bad.failures).toEqual([{ phase: "connack", errno: "CONNACK BAD_USER_NAME_OR_PASSWORD", count: 2 }]);
    const closed = await run({
      to: at,
      connections: 2,
      mqttVersion: "3.1.1",
      username: "good",
      subscribe: ["open", "closed"],
    });
    expect(closed).toMatchObject({
      established: 2,
      ready: 0,
      failures: [{ phase: "connack", errno: "SUBACK UNSPECIFIED_ERROR", count: 2 }],
      diagnosis: { finding: { limit: "topic", whose: "local" } },
    });
  });
});

describe("our server", () => {
  const startOurs = async (options = {}) => {
    const server = await startServer({ at: `mqtt://${ownAddress()}:0`, ...options });
    const { ip, port } = server.address;
    return { server, to: ["-h", ip, "-p", `${port}`], ip, port };
  };

  it.runIf(hasClients).each(["mqttv311", "mqttv5"])(
    "works as a broker for mosquitto's clients in %s",
    async (version) => {
      const { server, to } = await startOurs();
      for (const [qos, answer] of [
        ["0", /sending PUBLISH/],
        ["1", /received PUBACK \(Mid: 1, RC:0\)/],
        ["2", /received PUBREC[\s\S]*received PUBCOMP \(Mid: 1, RC:0\)/],
      ] as const) {
        const pub = start("mosquitto_pub", [
          "-d",
          "-V",
          version,
          ...to,
          "-t",
          "a/b",
          "-m",
          "x".repeat(5000),
          "-q",
          qos,
        ]);
        const { code, stdout } = await pub.exited();
        expect([code, stdout]).toEqual([0, expect.stringMatching(answer)]);
        expect(stdout).toContain("received CONNACK (0)");
      }
      const sub = start("stdbuf", [
        "-oL",
        "mosquitto_sub",
        "-d",
        "-V",
        version,
        ...to,
        "-t",
        "a",
        "-t",
        "b/#",
        "-q",
        "1",
        "-U",
        "c",
        "-k",
        "5",
        "-i",
        "me",
      ]);
      await sub.prints(/Subscribed \(mid: 1\): 1, 1[\s\S]*received UNSUBACK[\s\S]*received PINGRESP/);
      await sub.kill();
      await until("it has gone", () => server.snapshot().open === 0);
      const result = await within("the end", server.stop());
      expect(result).toMatchObject({ protocol: "mqtt", accepted: 4, ready: 4, failures: [] });
    },
  );

  it.runIf(hasClients).each([
    ["mqttv311", "Connection Refused: not authorised"],
    ["mqttv5", "Not authorized"],
  ])("refuses %s with the requested reason", async (version, words) => {
    const { server, to } = await startOurs({ refuse: "not-authorized" });
    const pub = start("mosquitto_pub", ["-V", version, ...to, "-t", "a", "-m", "x"]);
    const { code, stderr } = await pub.exited();
    expect([code === 0, stderr.toLowerCase()]).toEqual([false, expect.stringContaining(words.toLowerCase())]);
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual([{ phase: "connack", errno: "CONNACK NOT_AUTHORIZED", count: 1 }]);
  });

  it.runIf(hasPaho()).each(["MQTTv311", "MQTTv5"])("works with Python's paho in %s", async (version) => {
    const { server, ip, port } = await startOurs();
    const program = `
import paho.mqtt.client as mqtt
done = []
client = mqtt.Client(client_id="paho", protocol=mqtt.${version})
client.username_pw_set("user", "secret")
client.will_set("will", "gone", qos=2, retain=True)
client.on_connect = lambda c, u, flags, code, *more: (print("connected", int(getattr(code, "value", code))), c.subscribe([("a/+", 1), ("b", 2)]))
client.on_subscribe = lambda c, u, mid, codes, *more: (print("granted", [int(getattr(each, "value", each)) for each in codes]), [c.publish("a/b", "x" * 70000, qos) for qos in (0, 1, 2)])
def published(c, u, mid):
    done.append(mid)
    if len(done) == 3:
        print("published", len(done)); c.disconnect()
client.on_publish = published
client.connect("${ip}", ${port}, 60)
client.loop_forever()
print("over")`;
    const python = start("/usr/bin/python3", ["-c", program]);
    await python.prints(/connected 0\ngranted \[1, 2\]\npublished 3\nover/);
    await until("it has gone", () => server.snapshot().open === 0);
    expect(await within("the end", server.stop())).toMatchObject({ accepted: 1, ready: 1, failures: [] });
  });

  it.runIf(hasClients && hasProgram("openssl"))(
    "speaks TLS on mqtts://, with mosquitto_pub and our own client",
    async () => {
      const authority = new Authority("fourtuple test");
      const ip = ownAddress();
      const files = authority.issue("server", [`IP:${ip}`]);
      try {
        const server = await startServer({ at: `mqtts://${ip}:0`, ...files });
        const { port } = server.address;
        const pub = start("mosquitto_pub", [
          "-d",
          "-h",
          ip,
          "-p",
          `${port}`,
          "--cafile",
          authority.ca,
          "-t",
          "a",
          "-m",
          "x",
          "-q",
          "1",
        ]);
        expect(await pub.exited()).toMatchObject({ code: 0, stdout: expect.stringMatching(/received PUBACK/) });
        const result = await run({
          to: `mqtts://${ip}:${port}`,
          connections: 5,
          ca: authority.ca,
          publish: "a",
          qos: 2,
          durationMs: 200,
        });
        expect(result).toMatchObject({ outcome: "met", ready: 5, tls: { secured: 5 } });
        expect([result.latency.tls!.count, result.latency.handshake!.count]).toEqual([5, 5]);
      } finally {
        authority.remove();
      }
    },
  );
});

function hasPaho(): boolean {
  const isThere = spawnSync("/usr/bin/python3", ["-c", "import paho.mqtt"]).status === 0;
  if (!isThere) console.warn("skipped: python3-paho-mqtt is not installed");
  return isThere;
}
