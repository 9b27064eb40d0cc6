import { describe, expect, it } from "vitest";
import { EXPECTATIONS, SERVER_MODES } from "../../src/protocols/modes.js";
import { createClientProtocol, createServerProtocol } from "../../src/protocols/plain-tcp.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { encode } from "./contract.js";

/** Returns a server with one connection on which `received` has arrived. */
function serve(options: Parameters<typeof createServerProtocol>[1], received = "") {
  const host = new ProtocolHost();
  const protocol = createServerProtocol(host, options);
  host.constants = protocol.constants;
  host.opened(0);
  protocol.opened(0);
  protocol.received(0, encode(received), 0, received.length);
  const said = host.said[0]!;
  return { ...said, sent: Buffer.from(said.sent, "latin1").toString("utf8"), replies: protocol.replies };
}

describe("the greeting", () => {
  it("is exactly hello in hello mode, and nothing where everything sent must be an answer", () => {
    expect(serve({ mode: "hello" }).sent).toBe("hello");
    expect(serve({ mode: "echo" }).sent).toBe("");
    expect(serve({ mode: "discard" }).sent).toBe("");
  });

  it.each(SERVER_MODES)("is as requested in %s mode, in UTF-8, even if empty", (mode) => {
    expect(serve({ mode, greeting: "grüß dich\r\n" }).sent).toBe("grüß dich\r\n");
    expect(serve({ mode, greeting: "" }).sent).toBe("");
  });
});

it("a server answers every byte in echo mode and none in the others", () => {
  for (const received of [1, 512, 65536].map((length) => "x".repeat(length))) {
    expect(serve({ mode: "echo" }, received)).toMatchObject({ sent: received, replies: "echo" });
    expect(serve({ mode: "hello" }, received)).toMatchObject({ sent: "hello", replies: "none" });
    expect(serve({ mode: "discard" }, received)).toMatchObject({ sent: "", replies: "none" });
  }
});

it.each(SERVER_MODES)("a server closes after the greeting only on request, in %s mode", (mode) => {
  expect(serve({ mode, greeting: "hello" }).isClosed).toBe(false);
  expect(serve({ mode, greeting: "hello", closeAfterGreeting: true })).toMatchObject({ sent: "hello", isClosed: true });
});

describe("a client", () => {
  const message = encode("ping");

  it.each(EXPECTATIONS)("sends its message when due, and %s answers it", (expected) => {
    const host = new ProtocolHost();
    const client = createClientProtocol(host, {
      message: { bytes: message, expected },
      slots: 1,
    });
    host.constants = client.constants;
    host.opened(0);
    client.opened(0);
    expect(host.said[0]).toMatchObject({ isReady: true, sent: "" });
    const answered = ["pong", "ping"].map((text) => {
      host.begin(client, 0);
      host.finish(0);
      client.received(0, encode(text), 0, 4);
      return host.said[0]!.answered;
    });
    expect(host.said[0]!.sent).toBe("pingping");
    expect(answered).toEqual({ echo: [0, 1], any: [1, 2], none: [0, 0] }[expected]);
  });

  it("sends nothing without a message", () => {
    const host = new ProtocolHost();
    const client = createClientProtocol(host, { slots: 1 });
    host.opened(0);
    client.opened(0);
    client.received(0, message, 0, 4);
    expect(client.constants).toEqual([]);
    expect(host.said[0]).toMatchObject({ isReady: true, sent: "", isClosed: false });
  });
});
