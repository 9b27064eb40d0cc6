// A game at 20 ticks per second. Clients send their inputs; with every tick, the server sends each client the state of
// its player. Packets have a binary header, little endian: u16 length of all, u8 type, u8 zero, u32 sequence; then the
// fields.
//
//   fourtuple serve :7777 --protocol examples/protocols/game.mjs
//   fourtuple connect :7777 --protocol examples/protocols/game.mjs -c 1k -r 20
import { defineProtocol } from "fourtuple/protocol";

const HEADER_BYTES = 8;
const [JOIN, JOINED, INPUT, STATE] = [1, 2, 3, 4];

// One buffer serves all connections, because send() copies.
const packet = Buffer.alloc(32);

export default defineProtocol({
  name: "game",
  framing: { length: { bytes: 2, endian: "little", includesHeader: true }, maxBytes: 1024 },
  state: { seq: "u32", acked: "u32", x: "f32", y: "f32" },
  metrics: { ticks: "counter", stale: { type: "counter", help: "Ticks that acknowledge no new input." } },
  tickMs: 50,

  client: {
    opened(c) {
      c.send(packet, 0, header(JOIN, 0, 0));
    },

    received(c, frame) {
      const type = frame.u8(2);
      if (type === JOINED) c.ready();
      else if (type !== STATE) c.refused(type, "unknown packet");
      else {
        c.metrics.ticks.add();
        const acked = frame.u32le(4);
        // A tick acknowledges all inputs up to a sequence number.
        if (acked > c.acked) c.answered(Math.min(acked - c.acked, c.waiting));
        else c.metrics.stale.add();
        c.acked = acked;
      }
    },

    due(c) {
      c.seq += 1;
      const end = header(INPUT, c.seq, 8);
      packet.writeFloatLE(c.random() - 0.5, HEADER_BYTES);
      packet.writeFloatLE(c.random() - 0.5, HEADER_BYTES + 4);
      c.send(packet, 0, end);
    },
  },

  server: {
    opened() {
      // Ready once the client has joined.
    },

    received(c, frame) {
      const type = frame.u8(2);
      if (type === JOIN) {
        c.ready();
        c.send(packet, 0, header(JOINED, 0, 0));
      } else if (type !== INPUT || !c.isReady) c.refused(type, "unexpected packet");
      else {
        c.seq = frame.u32le(4);
        c.x += asFloat(frame.u32le(HEADER_BYTES));
        c.y += asFloat(frame.u32le(HEADER_BYTES + 4));
      }
    },

    tick(c) {
      const end = header(STATE, c.seq, 8);
      packet.writeFloatLE(c.x, HEADER_BYTES);
      packet.writeFloatLE(c.y, HEADER_BYTES + 4);
      c.send(packet, 0, end);
    },
  },
});

/**
 * Writes a packet's header.
 *
 * @param {number} type
 * @param {number} seq
 * @param {number} bytes size of the fields that follow
 */
function header(type, seq, bytes) {
  packet.writeUInt16LE(HEADER_BYTES + bytes, 0);
  packet.writeUInt16LE(type, 2);
  packet.writeUInt32LE(seq, 4);
  return HEADER_BYTES + bytes;
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/**
 * @param {number} value 32-bit number
 */
function asFloat(value) {
  bits[0] = value;
  return /** @type {number} */ (float[0]);
}
