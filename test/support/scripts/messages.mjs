// A protocol over WebSocket messages, with both sides: a text message requests a number of bytes, which come back as a
// binary message.
import { defineProtocol } from "fourtuple/protocol";

const FILLER = Buffer.alloc(200_000, "x");

export default defineProtocol({
  name: "messages",
  over: "websocket",
  state: { asked: "u32" },
  metrics: { bytes: "counter" },
  client: {
    opened(c) {
      c.send("hello");
    },
    received(c, frame) {
      if (frame.equals("welcome")) c.ready();
      else if (frame.length !== c.asked) c.refused(1, `${frame.length} bytes, not ${c.asked}`);
      else {
        c.metrics.bytes.add(frame.length);
        c.answered();
      }
    },
    oneAtATime: true,
    due(c) {
      c.asked = Math.floor(c.random() * FILLER.length);
      c.send(`${c.asked}`);
    },
  },
  server: {
    received(c, frame) {
      if (frame.equals("hello")) c.send("welcome");
      else c.send(FILLER, 0, Number(frame.text()));
    },
  },
});
