// SMTP (RFC 5321) without sending mail: greeting, EHLO, then NOOP whenever a message is due, and QUIT. The phases show
// how long a server takes to greet and to answer EHLO; refusals are counted by reply code, such as 421.
//
//   fourtuple connect mail.example.org:25 --protocol examples/protocols/smtp.mjs -c 100 -r 0.1
import { defineProtocol } from "fourtuple/protocol";

const [SPACE, DIGIT_4] = Buffer.from(" 4");

export default defineProtocol({
  name: "SMTP",
  framing: { delimiter: "\r\n", maxBytes: 1000 },
  phases: ["greeting", "EHLO", "idle"],
  state: { step: "u8" },

  client: {
    // Waits for the greeting.
    opened() {},

    received(c, line) {
      // Every line of a reply except the last has a hyphen after the code.
      if (line.length > 3 && line.u8(3) !== SPACE) return;
      if (line.u8() >= DIGIT_4) c.refused(Number(line.text(0, 3)), line.text(4));
      else if (c.step === 0) {
        c.step = 1;
        c.phase("EHLO");
        c.send("EHLO client.example.org\r\n");
      } else if (c.step === 1) {
        c.step = 2;
        c.ready();
        c.phase("idle");
      } else if (c.waiting > 0) c.answered();
    },

    due(c) {
      c.send("NOOP\r\n");
    },

    closing(c) {
      c.send("QUIT\r\n");
    },
  },

  server: {
    opened(c) {
      c.send("220 server.example.org ESMTP\r\n");
    },

    received(c, line) {
      if (line.startsWith("EHLO ")) {
        c.ready();
        c.send("250-server.example.org\r\n250 8BITMIME\r\n");
      } else if (line.equals("NOOP")) c.send("250 OK\r\n");
      else if (line.equals("QUIT")) {
        c.send("221 Bye\r\n");
        c.close();
      } else c.send("502 Command not implemented\r\n");
    },
  },
});
