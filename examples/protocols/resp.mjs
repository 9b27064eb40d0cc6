// RESP, the protocol of redis (https://redis.io/docs/latest/develop/reference/protocol-spec/): a client that sends
// PING, SET and GET in turn and checks each answer, and a server just large enough to try it on.
//
//   fourtuple connect :6379 --protocol examples/protocols/resp.mjs -c 1k -r 10
import { defineProtocol } from "fourtuple/protocol";

const PING = Buffer.from("*1\r\n$4\r\nPING\r\n");
const [CR, LF, DOLLAR, MINUS, STAR] = Buffer.from("\r\n$-*");

/** Commands that a connection sends in turn. */
const [SET, GET, PINGED] = [0, 1, 2];

export default defineProtocol({
  name: "RESP",
  framing: { end: endOfReply, maxBytes: 1024 * 1024 },
  state: { turn: "u8", value: "u32" },
  metrics: { wrong: { type: "counter", help: "Answers that are not the expected ones." } },

  client: {
    due(c) {
      c.turn = c.turn === SET ? GET : c.turn === GET ? PINGED : SET;
      if (c.turn === PINGED) c.send(PING);
      else if (c.turn === GET) c.send(command("GET", `key:${c.number}`));
      else {
        c.value = Math.floor(c.random() * 2 ** 32);
        c.send(command("SET", `key:${c.number}`, `${c.value}`));
      }
    },
    // Each command waits for the answer to the previous one.
    oneAtATime: true,

    received(c, frame) {
      if (frame.u8() === MINUS) c.refused(1, frame.text(1, frame.length - 2));
      else if (isExpected(c, frame)) c.answered();
      else {
        c.metrics.wrong.add();
        c.missed();
      }
    },
  },

  server: {
    received(c, frame) {
      if (frame.equals(PING)) c.send("+PONG\r\n");
      else if (frame.startsWith("$3\r\nSET", 4)) {
        const [, , , , , , value] = frame.text().split("\r\n");
        c.value = Number(value);
        c.send("+OK\r\n");
      } else if (c.value === 0) c.send("$-1\r\n");
      else c.send(`$${`${c.value}`.length}\r\n${c.value}\r\n`);
    },
  },
});

/**
 * @param {{ turn: number, value: number }} c
 * @param {import("fourtuple/protocol").Frame} frame
 */
function isExpected(c, frame) {
  if (c.turn === PINGED) return frame.equals("+PONG\r\n");
  if (c.turn === SET) return frame.equals("+OK\r\n");
  // Before the first SET of a connection, its key is missing or has the value of an earlier run.
  if (c.value === 0) return frame.u8() === DOLLAR;
  return frame.equals(`$${`${c.value}`.length}\r\n${c.value}\r\n`);
}

/** @param {string[]} words */
function command(...words) {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

/**
 * Finds the end of a reply, which is a line, a bulk string whose line gives its length, or an array of these.
 *
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function endOfReply(bytes, start, end) {
  let at = start;
  for (let left = 1; left > 0; left--) {
    const line = endOfLine(bytes, at, end);
    if (line < 0) return -1;
    if (bytes[at] === STAR) left += numberAt(bytes, at + 1);
    const length = bytes[at] === DOLLAR ? numberAt(bytes, at + 1) : -1;
    // A missing value has length -1 and no more bytes.
    at = length < 0 ? line : line + length + 2;
    if (at > end) return -1;
  }
  return at;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function endOfLine(bytes, start, end) {
  for (let at = start; at + 1 < end; at++) if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
  return -1;
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 */
function numberAt(bytes, start) {
  let number = 0;
  let at = start;
  if (bytes[at] === MINUS) return -1;
  for (; bytes[at] !== CR; at++) number = number * 10 + /** @type {number} */ (bytes[at]) - 48;
  return number;
}
