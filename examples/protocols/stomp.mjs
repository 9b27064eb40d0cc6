// STOMP 1.2 (https://stomp.github.io/stomp-specification-1.2.html) over TCP: the client connects and subscribes to a
// queue of its own, sends messages to it, and times each until the broker delivers it.
//
//   fourtuple connect broker:61613 --protocol examples/protocols/stomp.mjs -c 100 -r 5
import { defineProtocol } from "fourtuple/protocol";

const NUL = "\0";

export default defineProtocol({
  name: "STOMP",
  framing: { delimiter: NUL },
  phases: ["connecting", "connected"],
  state: { sent: "u32", got: "u32" },

  client: {
    opened(c) {
      c.send(`CONNECT\naccept-version:1.0,1.1,1.2\nhost:/\n\n${NUL}`);
    },

    received(c, frame) {
      // Heartbeats, which are line ends, may come before a frame.
      const from = skipLineEnds(frame);
      if (frame.startsWith("MESSAGE\n", from)) {
        c.got += 1;
        if (!frame.text().endsWith(`\n\nmessage ${c.got}`)) c.refused(2, "not the message that was sent");
        else if (c.waiting > 0) c.answered();
      } else if (frame.startsWith("CONNECTED\n", from)) {
        c.send(`SUBSCRIBE\nid:0\ndestination:/queue/${c.number}\nack:auto\n\n${NUL}`);
        c.ready();
        c.phase("connected");
      } else if (frame.startsWith("ERROR\n", from)) c.refused(1, /^message:(.*)$/m.exec(frame.text())?.[1] ?? "ERROR");
    },

    due(c) {
      c.sent += 1;
      const body = `message ${c.sent}`;
      c.send(`SEND\ndestination:/queue/${c.number}\ncontent-type:text/plain\n\n${body}${NUL}`);
    },

    closing(c) {
      c.send(`DISCONNECT\n\n${NUL}`);
    },
  },

  server: {
    opened() {
      // Ready once the client has connected.
    },

    received(c, frame) {
      const from = skipLineEnds(frame);
      const text = frame.text(from);
      const [command] = text.split("\n", 1);
      if (command === "CONNECT" || command === "STOMP") {
        c.ready();
        c.send(`CONNECTED\nversion:1.2\n\n${NUL}`);
      } else if (command === "SEND") {
        // Each client subscribes to a different queue.
        c.got += 1;
        const body = text.slice(text.indexOf("\n\n") + 2);
        c.send(`MESSAGE\nsubscription:0\nmessage-id:${c.got}\ndestination:/queue/${c.number}\n\n${body}${NUL}`);
      } else if (command === "DISCONNECT") c.close();
      else if (command !== "SUBSCRIBE") c.send(`ERROR\nmessage:unknown command\n\n${NUL}`);
    },
  },
});

/** @param {import("fourtuple/protocol").Frame} frame */
function skipLineEnds(frame) {
  let at = 0;
  while (at < frame.length && (frame.u8(at) === 10 || frame.u8(at) === 13)) at++;
  return at;
}
