// Engine.IO 4, which Socket.IO is built on (https://socket.io/docs/v4/engine-io-protocol/), over WebSocket: the server
// opens the session, pings, and the client answers; messages come back from an echo server.
//
//   fourtuple connect 'ws://:3000/engine.io/?EIO=4&transport=websocket' --protocol examples/protocols/engine-io.mjs
import { defineProtocol } from "fourtuple/protocol";

export default defineProtocol({
  name: "Engine.IO",
  over: "websocket",
  state: { sent: "u32", got: "u32" },
  metrics: { pings: "counter" },
  tickMs: 10_000,

  client: {
    // Waits for the server to open the session.
    opened() {},

    received(c, frame) {
      if (frame.startsWith("4")) {
        c.got += 1;
        if (!frame.equals(`4message ${c.got}`)) c.refused(4, frame.text());
        else if (c.waiting > 0) c.answered();
      } else if (frame.startsWith("0")) c.ready();
      else if (frame.equals("2")) {
        c.metrics.pings.add();
        c.send("3");
      } else if (frame.equals("1")) c.refused(1, "closed by the server");
    },

    due(c) {
      c.sent += 1;
      c.send(`4message ${c.sent}`);
    },

    closing(c) {
      c.send("1");
    },
  },

  server: {
    opened(c) {
      c.send(`0{"sid":"${c.number}","upgrades":[],"pingInterval":10000,"pingTimeout":5000,"maxPayload":1000000}`);
      c.ready();
    },

    received(c, frame) {
      if (frame.startsWith("4")) c.send(frame.text());
      else if (frame.equals("3")) c.metrics.pings.add();
      else if (frame.equals("1")) c.close();
    },

    tick(c) {
      c.send("2");
    },
  },
});
