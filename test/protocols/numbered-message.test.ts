// Tests messages that contain the connection's number.
import { describe, expect, it } from "vitest";
import type { Expectation } from "../../src/protocols/modes.js";
import { createClientProtocol } from "../../src/protocols/plain-tcp.js";
import { NumberedMessage, splitMessage } from "../../src/protocols/timed-message.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { encode } from "./contract.js";

const written = (text: string, number: number) => {
  const message = new NumberedMessage(splitMessage(encode(text)));
  message.write(number);
  return message.bytes.toString("latin1", 0, message.length);
};

it.each([
  ["hello %i", 7, "hello 7"],
  ["%i", 4_294_967_295, "4294967295"],
  ["%i-%i\0\xff", 10, "10-10\0\xff"],
  ["%%i is %i", 3, "%i is 3"],
  ["%%%i", 3, "%%i"],
  ["100% %d %%", 3, "100% %d %%"],
])("%j of connection %i is %j", (text, number, expected) => {
  expect(written(text, number)).toBe(expected);
});

/** Returns a client whose connections have the numbers 9, 10 and so on. */
function connect(message: string, expected: Expectation, firstMessage?: string) {
  const host = new ProtocolHost();
  let number = 8;
  const client = createClientProtocol(host, {
    message: { bytes: encode(message), expected },
    opening:
      firstMessage === undefined
        ? undefined
        : { awaitsGreeting: false, firstMessage: encode(firstMessage), awaitsAnswer: true, expected },
    slots: 1,
    nextNumber: () => ++number,
  });
  host.constants = client.constants;
  const open = (slot: number) => {
    host.opened(slot);
    client.opened(slot);
  };
  const send = (slot: number) => {
    host.begin(client, slot);
    host.finish(slot);
  };
  const receive = (slot: number, text: string) => client.received(slot, encode(text), 0, text.length);
  return { host, open, send, receive };
}

describe("a client's connections", () => {
  it("each send their own number, and take only its echo for the answer", () => {
    const { host, open, send, receive } = connect("<%i>", "echo");
    for (const slot of [0, 1]) {
      open(slot);
      send(slot);
    }
    receive(0, "<9>");
    receive(1, "<9>");
    expect(host.said.map(({ sent }) => sent)).toEqual(["<9>", "<10>"]);
    expect(host.said.map(({ answered }) => answered)).toEqual([1, 0]);
    receive(1, "<1");
    receive(1, "0>");
    expect(host.said[1]!.answered).toBe(1);
    send(0);
    receive(0, "<9>");
    expect(host.said[0]).toMatchObject({ sent: "<9><9>", answered: 2 });
    expect(host.mismatchedBytes).toBe(0);
  });

  it("get another number when a slot is reused", () => {
    const { host, open, send } = connect("%i", "none");
    open(0);
    open(0);
    send(0);
    expect(host.said[0]!.sent).toBe("10");
  });

  it("are ready once their own first message has come back", () => {
    const { host, open, receive } = connect("ping", "echo", "I am %i.");
    for (const slot of [0, 1]) open(slot);
    receive(0, "I am 9.");
    receive(1, "I am 9.");
    expect(host.said.map(({ sent }) => sent)).toEqual(["I am 9.", "I am 10."]);
    expect(host.said.map(({ isReady }) => isReady)).toEqual([true, false]);
  });

  it("send an escaped number as it is", () => {
    const { host, open, send, receive } = connect("%%i", "echo");
    open(0);
    send(0);
    receive(0, "%i");
    expect(host.said[0]).toMatchObject({ sent: "%i", answered: 1 });
  });
});
