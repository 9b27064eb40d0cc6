// Tests what `protocol check` finds: a sound protocol passes, and each kind of fault is named.
import { describe, expect, it } from "vitest";
import { defineProtocol } from "../../../src/protocols/scripted/define.js";
import { assertBothSides, tryOut } from "../../../src/protocols/scripted/trial/trial.js";
import { parseAddress } from "../../../src/protocols/spec/address.js";
import { scriptedSpec } from "../../../src/protocols/spec/scripted.js";
import type { AnyDefinition } from "../../support/scripted.js";

const sound = defineProtocol({
  name: "sound",
  framing: { delimiter: "\n" },
  state: { room: "u16" },
  client: {
    opened: (c) => c.send("HELLO\n"),
    received(c, frame) {
      if (frame.equals("WELCOME")) c.ready();
      else c.answered();
    },
    due: (c) => c.send("PING\n"),
  },
  server: {
    received: (c, frame) => c.send(frame.equals("PING") ? "PONG\n" : "WELCOME\n"),
  },
});

function problemsOf(definition: AnyDefinition): Record<string, string> {
  const script = { definition, file: "/test.mjs", sha256: "" };
  const address = parseAddress("127.0.0.1:1");
  const specOf = (side: "client" | "server") =>
    scriptedSpec(address, { protocol: "test.mjs" }, { script, side }, undefined);
  const { checks } = tryOut(definition, { client: specOf("client"), server: specOf("server") });
  return Object.fromEntries(checks.flatMap(({ name, problem }) => (problem === undefined ? [] : [[name, problem]])));
}

it("finds nothing wrong with a sound protocol", () => {
  expect(problemsOf(sound)).toEqual({});
});

describe("names what is wrong:", () => {
  it("a client that is never ready", () => {
    const client = { ...sound.client, received() {} };
    expect(problemsOf({ ...sound, client })["in whole pieces"]).toContain("the client was never ready");
  });

  it("messages that nobody answers", () => {
    const server = { received: (c: { send(text: string): void }) => c.send("WELCOME\n") };
    const client = { ...sound.client, received: (c: { isReady: boolean; ready(): void }) => c.isReady || c.ready() };
    expect(problemsOf({ ...sound, client, server } as AnyDefinition)["in whole pieces"]).toContain(
      "no message was answered",
    );
  });

  it("a client that closes before it is ready", () => {
    const client = { ...sound.client, opened: (c: { close(): void }) => c.close() };
    expect(problemsOf({ ...sound, client } as AnyDefinition)["in whole pieces"]).toBe(
      "the client was never ready: it called close() first",
    );
  });

  it("a client that reports every message as missed", () => {
    const received = (c: { isReady: boolean; ready(): void; missed(): void }) => (c.isReady ? c.missed() : c.ready());
    expect(problemsOf({ ...sound, client: { ...sound.client, received } } as AnyDefinition)["in whole pieces"]).toBe(
      "no message was answered: the client called missed() for each",
    );
  });

  it("a server's closing that throws", () => {
    const closing = () => {
      throw new Error("oh no");
    };
    const problems = problemsOf({ ...sound, server: { ...sound.server, closing } });
    expect(problems["closed by the server"]).toContain("closing() failed for connection 1: Error: oh no");
  });

  it("a handler that throws", () => {
    const server = {
      received() {
        throw new Error("oh no");
      },
    };
    expect(problemsOf({ ...sound, server })["in whole pieces"]).toContain(
      "received() failed for connection 1: Error: oh no",
    );
  });

  it("sides that answer each other endlessly", () => {
    const echo = { received: (c: { send(text: string): void }) => c.send("x\n") };
    const client = { ...sound.client, received: echo.received };
    expect(problemsOf({ ...sound, client, server: echo } as AnyDefinition)["in whole pieces"]).toContain("endlessly");
  });

  it("a handler that takes a read for a frame", () => {
    const { framing: _, ...unframed } = sound;
    const client = {
      ...sound.client,
      received: (c: { ready(): void; answered(): void }, frame: { equals(text: string): boolean }) => {
        if (frame.equals("WELCOME\n")) c.ready();
        else if (frame.equals("PONG\n")) c.answered();
      },
    };
    const server = {
      received: (c: { send(text: string): void }, f: { equals(text: string): boolean }) =>
        c.send(f.equals("PING\n") ? "PONG\n" : "WELCOME\n"),
    };
    const problems = problemsOf({ ...unframed, client, server } as AnyDefinition);
    expect(problems["byte by byte"]).toMatch(/; without framing, received\(\) sees what a read returned/);
    expect(problems["in whole pieces"]).toBeUndefined();
  });

  it("state outside the columns, which a later connection sees", () => {
    let greeted = false;
    const server = {
      received(c: { send(text: string): void }, frame: { equals(text: string): boolean }) {
        if (frame.equals("PING")) c.send("PONG\n");
        else if (!greeted) c.send("WELCOME\n");
        if (frame.equals("HELLO")) greeted = !greeted;
      },
    };
    expect(Object.values(problemsOf({ ...sound, server } as AnyDefinition)).join()).toContain("not ready");
  });
});

it("needs both sides", () => {
  expect(() => assertBothSides(defineProtocol({ name: "x", client: {} }), "x.mjs")).toThrow("has only a client");
});
