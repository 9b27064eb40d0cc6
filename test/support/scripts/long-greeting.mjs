// A client that sends more at once than small kernel buffers take: its number, as text, repeated.
import { defineProtocol } from "fourtuple/protocol";

export default defineProtocol({
  name: "long-greeting",
  client: {
    opened(c) {
      c.send(`${c.number}\n`.repeat(20_000 / `${c.number}\n`.length));
      c.ready();
    },
    received() {},
  },
});
