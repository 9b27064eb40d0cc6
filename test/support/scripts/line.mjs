// A line protocol with both sides: a greeting and a login, then pings and their answers. The server refuses users whose
// name begins with "bad". Messages fail on the connections numbered THROW_AT, LOOP_AT, LEAK_AT,
// EXIT_AT and FLOOD_AT, and the end of a connection fails on those numbered THROW_CLOSING (client) and THROW_BYE (server).
import { defineProtocol } from "fourtuple/protocol";

/** @type {string[]} */
const leaked = [];
const PING = Buffer.from("PING\r\n");

export default defineProtocol({
  name: "line",
  framing: { delimiter: "\r\n", maxBytes: 100 },
  state: { sent: "u32" },
  metrics: { pongs: { type: "counter", help: "Pongs received." }, turns: "histogram" },
  phases: ["greeting", "login", "chat"],
  client: {
    opened() {},
    received(c, frame) {
      if (frame.startsWith("220")) {
        c.phase("login");
        c.send(`LOGIN ${process.env.USERS === undefined ? `user${c.number}` : c.row.name}\r\n`);
      } else if (frame.startsWith("OK")) {
        c.ready();
        c.phase("chat");
      } else if (frame.startsWith("NO")) c.refused(535, frame.text(3));
      else {
        c.metrics.pongs.add();
        c.metrics.turns.record(2);
        c.answered();
      }
    },
    due(c) {
      c.sent += 1;
      if (`${c.number}` === process.env.LOG_AT) console.log("ping by", c.number);
      if (`${c.number}` === process.env.THROW_AT) throw new Error("no more pings");
      if (`${c.number}` === process.env.LOOP_AT) for (;;);
      if (`${c.number}` === process.env.LEAK_AT) for (;;) leaked.push(`${Math.random()}`.repeat(10));
      if (`${c.number}` === process.env.EXIT_AT) process.reallyExit(0);
      if (`${c.number}` === process.env.FLOOD_AT) c.send(Buffer.alloc(100_000_000, "x"));
      c.send(PING);
    },
    closing(c) {
      c.send("BYE\r\n");
      if (`${c.number}` === process.env.THROW_CLOSING) throw new Error("no goodbye");
    },
  },
  server: {
    opened(c) {
      c.send("220 welcome\r\n");
    },
    received(c, frame) {
      if (process.env.EXIT_SERVER) process.reallyExit(0);
      if (frame.equals("PING")) c.send("PONG\r\n");
      else if (frame.startsWith("LOGIN bad")) c.send("NO bad user\r\n");
      else if (frame.startsWith("LOGIN")) {
        c.ready();
        c.send("OK\r\n");
      } else if (`${c.number}` === process.env.THROW_BYE) throw new Error("not yet");
      else c.close();
    },
  },
});
