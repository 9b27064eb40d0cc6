import { expect, it } from "vitest";
import { DiscardClient, DiscardServer } from "../../src/protocols/discard.js";
import { AnyAnswerClient } from "../../src/protocols/timed-message.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { describeProtocol, encode } from "./contract.js";

describeProtocol("a server that discards", { create: (connections) => new DiscardServer(connections), stream: "data" });
describeProtocol("a client whose messages are discarded", {
  create: (connections, slots) => new DiscardClient(connections, encode("data"), slots),
  stream: "answer",
});
describeProtocol("a client that takes any answer", {
  create: (connections, slots) => new AnyAnswerClient(connections, encode("PING\r\n"), slots),
  stream: "+PONG\r\n",
});

it("any bytes answer all messages sent before them, but not one being sent", () => {
  const host = new ProtocolHost();
  const client = new AnyAnswerClient(host, encode("PING\r\n"), 1);
  host.constants = client.constants;
  host.opened(0);
  client.opened(0);
  const receive = (text: string) => client.received(0, encode(text), 0, text.length);
  receive("220 hello");
  expect(host.unexpectedBytes).toBe(9);
  host.begin(client, 0);
  host.finish(0);
  receive("+PO");
  expect(host.said[0]!.answered).toBe(1);
  receive("NG\r\n");
  for (let n = 0; n < 2; n++) {
    host.begin(client, 0);
    host.finish(0);
  }
  host.begin(client, 0);
  receive("+PONG\r\n+PONG\r\n");
  expect([host.said[0]!.answered, host.unanswered(0)]).toEqual([3, 1]);
  expect([host.unexpectedBytes, host.mismatchedBytes]).toEqual([9, 0]);
});

it("a message that expects no answer is not unanswered", () => {
  const host = new ProtocolHost();
  const client = new DiscardClient(host, encode("data"), 1);
  host.constants = client.constants;
  host.opened(0);
  client.opened(0);
  for (let n = 0; n < 3; n++) {
    host.begin(client, 0);
    host.finish(0);
  }
  client.received(0, encode("data"), 0, 4);
  expect(host.said[0]).toMatchObject({ sent: "datadatadata", answered: 0 });
  expect([host.unanswered(0), host.unexpectedBytes, host.mismatchedBytes]).toEqual([0, 0, 0]);
});
