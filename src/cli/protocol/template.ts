// The skeleton of a protocol that `fourtuple protocol new` writes.

/**
 * @param name the protocol's name
 */
export function templateFor(name: string): string {
  return `// A line protocol: the client says HELLO, then sends PING whenever a message is due; the server answers.
//
//   fourtuple protocol check FILE                     try both sides against each other
//   fourtuple serve :7777 --protocol FILE             run the server
//   fourtuple connect :7777 --protocol FILE -c 10k    run 10,000 clients, one message per second each (-r)
//
// Handlers are called for one connection after another and must return at once. What differs between connections belongs in
// the columns of \`state\`; other variables are shared by all connections of a thread.
import { defineProtocol } from "fourtuple/protocol";

const PING = Buffer.from("PING\\r\\n");
const PONG = Buffer.from("PONG\\r\\n");

export default defineProtocol({
  name: ${JSON.stringify(name)},

  // Where a frame ends. Also: { length: { bytes: 2 } }, { fixed: 16 } or { end(bytes, start, end) { … } }.
  framing: { delimiter: "\\r\\n", maxBytes: 1024 },

  // State of a connection: u8, i8, u16, i16, u32, i32, f32 or f64. Here: 12 bytes per connection, and 5 for fourtuple itself.
  state: { sent: "u32", sentMs: "f64" },

  // Counters and histograms of your own, in the summary and in --json.
  metrics: { pongs: "counter", think: { type: "histogram", help: "From sending to the answer." } },

  client: {
    opened(c) {
      // c.number is the connection's number, starting at 1. With --data users.csv, c.row has the connection's row.
      c.send(\`HELLO user-\${c.number}\\r\\n\`);
    },

    received(c, frame) {
      if (!c.isReady) {
        // A refusal is counted by its code, and its text is shown.
        if (frame.startsWith("WELCOME")) c.ready();
        else c.refused(1, frame.text());
        return;
      }
      if (!frame.equals("PONG") || c.waiting === 0) return;
      c.metrics.pongs.add();
      c.metrics.think.record(performance.now() - c.sentMs);
      // The latency of the message counts from the time when it was due.
      c.answered();
    },

    due(c) {
      c.sent += 1;
      c.sentMs = performance.now();
      c.send(PING);
    },

    closing(c) {
      c.send("BYE\\r\\n");
    },
  },

  server: {
    opened() {
      // Ready once the client has said HELLO.
    },

    received(c, frame) {
      if (frame.equals("PING")) c.send(PONG);
      else if (frame.startsWith("HELLO ")) {
        c.ready();
        c.send("WELCOME\\r\\n");
      } else if (frame.equals("BYE")) c.close();
      else c.refused(2, "unknown command");
    },
  },
});
`;
}
