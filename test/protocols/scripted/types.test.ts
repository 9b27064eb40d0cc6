// Tests what a script author's editor reports: the compiler checks this file, and each expected error must occur.
import { expect, it } from "vitest";
import { defineProtocol } from "../../../src/protocols/scripted/define.js";

it("columns, metrics, phases and data have their declared names and types", () => {
  const definition = defineProtocol({
    name: "typed",
    state: { seq: "u32", seen: "f64" },
    metrics: { joined: "counter", wait: { type: "histogram", help: "Time in the lobby." } },
    phases: ["lobby", "game"],
    data: ["name"],
    client: {
      opened(c) {
        c.seq += 1;
        const seen: number = c.seen;
        c.send(c.row.name, seen);
        c.phase("game");
        c.metrics.joined.add();
        c.metrics.wait.record(1.5);
        // @ts-expect-error: no such column
        c.sqe = 1;
        // @ts-expect-error: no such phase
        c.phase("end");
        // @ts-expect-error: no such field
        c.send(c.row.password);
        // @ts-expect-error: a counter does not record
        c.metrics.joined.record(1);
        // @ts-expect-error: numbers cannot be sent
        c.send(1);
        // @ts-expect-error: it has no setter
        c.number = 2;
      },
      received(_, frame) {
        const words: string = frame.text(1);
        return void (frame.u16(words.length) + frame.u32le());
      },
    },
    server: {
      received(c) {
        c.seq += 1;
        // @ts-expect-error: only clients have messages that are answered
        c.answered();
      },
    },
  });
  expect(definition.state).toEqual({ seq: "u32", seen: "f64" });
});

it("unknown parts of a definition are type errors", () => {
  defineProtocol({
    name: "wrong",
    // @ts-expect-error: no such type
    state: { seq: "u64" },
    // @ts-expect-error: a length of 5 bytes
    framing: { length: { bytes: 5 } },
    client: {},
  });
  expect(true).toBe(true);
});
