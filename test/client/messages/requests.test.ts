// Tests runs that end after a number of messages: they send exactly this many with any protocol, and without a rate,
// each after the previous answer.
import { describe, expect, it } from "vitest";
import { parseRunSpec } from "../../../src/planning/parse-run-spec.js";
import { endpoint, ownAddress } from "../../support/address.js";
import { startClient, startServer } from "../../support/peers.js";
import { within } from "../../support/until.js";

const run = async (options: Parameters<typeof startClient>[0]) => within("the end", (await startClient(options)).done);

describe("a number of messages", () => {
  const protocols: [string, string, object][] = [
    ["plain TCP", "", { message: "ping" }],
    ["plain TCP with an opening", "", { message: "ping", firstMessage: "hi" }],
    ["WebSocket", "ws://", { message: "ping" }],
    ["MQTT", "mqtt://", { publish: "t", qos: 1 }],
  ];
  it.each(protocols)("is exact over %s, in a closed loop", async (_, scheme, options) => {
    const server = await startServer({
      at: `${scheme}${ownAddress()}:0`,
      ...(scheme === "mqtt://" ? {} : { mode: "echo" as const }),
    });
    const result = await run({
      to: `${scheme}${endpoint(server.address)}`,
      connections: 10,
      requests: 205,
      ...options,
    });
    expect(result).toMatchObject({ outcome: "met", established: 10, lost: 0 });
    expect(result.messages).toMatchObject({ requested: 205, due: 205, sent: 205, answered: 205, missed: 0 });
    expect(result.messages!.ratePerSec).toBeUndefined();
    expect(result.latency.roundTrip.count).toBe(205);
  });

  it("is exact at a rate, even for messages that nobody answers", async () => {
    const server = await startServer({ mode: "discard" });
    const options = { connections: 8, requests: 100, messageRatePerSec: 50, message: "ping", expect: "none" as const };
    const result = await run({ to: endpoint(server.address), ...options });
    expect(result).toMatchObject({ outcome: "met", messages: { ratePerSec: 50, due: 100, sent: 100, missed: 0 } });
    const { receivedBytes } = await within("the end", server.stop());
    expect(receivedBytes).toBe(400);
  });

  it("is not met by a run that is stopped before reaching it", async () => {
    const server = await startServer({ mode: "discard" });
    const client = await startClient({ to: endpoint(server.address), connections: 2, requests: 10, message: "ping" });
    await client.ready;
    const result = await within("the end", client.stop());
    expect(result).toMatchObject({ outcome: "interrupted", messages: { due: 10, sent: 2, answered: 0, missed: 8 } });
  });

  it.each([
    ["without a message", {}, /requires a message/],
    ["with stages", { message: "x", stages: [{ durationMs: 1000, target: 5 }] }, /stages/],
    ["of messages without answers and without a rate", { message: "x", expect: "none" as const }, /need a rate/],
    ["of 0", { message: "x", requests: 0 }, /invalid number of messages: 0/],
    ["of fewer requests than connections", { to: "http://:1", connections: 11 }, /10 requests are too few for 11/],
    ["of connections that close", { to: "http://:1", closeAfterResponse: true }, /not held/],
  ])("is rejected %s", (_, options, message) => {
    expect(() => parseRunSpec({ to: ":1", requests: 10, ...options })).toThrow(message);
  });
});
