// Tests both sides of MQTT against the contract of all protocols.
import type { Expectation } from "../../../src/protocols/modes.js";
import { MqttClient } from "../../../src/protocols/mqtt/client.js";
import { MqttServer } from "../../../src/protocols/mqtt/server.js";
import type { MqttSpec } from "../../../src/protocols/spec/spec.js";
import { connack, connect, packet, SPEC } from "../../support/mqtt.js";
import { describeProtocol, type ProtocolCase } from "../contract.js";

describeProtocol("a server of MQTT 5", {
  create: (connections, slots) => new MqttServer(connections, SPEC, slots),
  handshake: connect(),
  stream: packet({
    cmd: "publish",
    topic: "a",
    payload: "x".repeat(300),
    qos: 1,
    messageId: 7,
    retain: false,
    dup: false,
  }),
});
describeProtocol("a server of MQTT 3.1.1", {
  create: (connections, slots) => new MqttServer(connections, SPEC, slots),
  handshake: connect({}, 4),
  stream:
    packet({ cmd: "publish", topic: "a/b", payload: "x", qos: 2, messageId: 9, retain: false, dup: false }, 4) +
    packet({ cmd: "pubrel", messageId: 9 }, 4) +
    packet({ cmd: "pingreq" }, 4),
});

function client(spec: Partial<MqttSpec>, expected: Expectation | undefined, stream: string): ProtocolCase {
  const message = expected && { bytes: new Uint8Array(30), expected };
  return {
    create: (connections, slots) =>
      new MqttClient(connections, { spec: { ...SPEC, ...spec }, message, slots, nextNumber: () => 7, publisher: 1 }),
    handshake: connack(),
    stream,
    early: { stream, unexpected: 0 },
  };
}

const publish = { topic: "a", isRetained: false, isStamped: true };
/** Stamp of message 1 of publisher 1, on connection 7. */
const stamp = "4tpl\0\0\0\x01\0\0\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0";
const back = packet({ cmd: "publish", topic: "a", payload: `${stamp}123456`, qos: 0, retain: false, dup: false });

describeProtocol(
  "a client of MQTT that waits for PUBACK",
  client(
    { publish: { ...publish, qos: 1 } },
    "acknowledgement",
    packet({ cmd: "puback", messageId: 1, reasonCode: 0 }),
  ),
);
describeProtocol(
  "a client of MQTT that waits for PUBCOMP",
  client(
    { publish: { ...publish, qos: 2 } },
    "acknowledgement",
    packet({ cmd: "pubrec", messageId: 1 }) + packet({ cmd: "pubcomp", messageId: 1 }),
  ),
);
describeProtocol(
  "a client of MQTT that waits for its own messages",
  client({ publish: { ...publish, qos: 0 } }, "delivery", back),
);
describeProtocol("a client of MQTT that publishes nothing", client({}, undefined, back));
