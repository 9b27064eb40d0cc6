import { describe, expect, it } from "vitest";
import { createServerProtocol, SERVER_MODES } from "../../src/protocols/server-protocol.js";

const greetingOf = (options: Parameters<typeof createServerProtocol>[0]) =>
  new TextDecoder().decode(createServerProtocol(options).greeting);

describe("the greeting", () => {
  it("is exactly hello in hello mode, and nothing where all that is sent must be an answer", () => {
    expect(greetingOf({ mode: "hello" })).toBe("hello");
    expect(greetingOf({ mode: "echo" })).toBe("");
    expect(greetingOf({ mode: "discard" })).toBe("");
  });

  it.each(SERVER_MODES)("is what was asked for in %s mode, in UTF-8, even when that is nothing", (mode) => {
    expect(greetingOf({ mode, greeting: "grüß dich\r\n" })).toBe("grüß dich\r\n");
    expect(greetingOf({ mode, greeting: "" })).toBe("");
  });
});

it("answers every byte in echo mode and none in the others", () => {
  for (const received of [1, 512, 65536]) {
    expect(createServerProtocol({ mode: "echo" }).answerLength(received)).toBe(received);
    expect(createServerProtocol({ mode: "hello" }).answerLength(received)).toBe(0);
    expect(createServerProtocol({ mode: "discard" }).answerLength(received)).toBe(0);
  }
});

it("closes after the greeting only when asked to", () => {
  expect(createServerProtocol({ mode: "hello" }).closesAfterGreeting).toBe(false);
  expect(createServerProtocol({ mode: "hello", closesAfterGreeting: true }).closesAfterGreeting).toBe(true);
});
