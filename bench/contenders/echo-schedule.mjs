// The schedule, the latencies and the protocol with the harness, shared by the JavaScript clients of the message
// workload. Message i is due at start + i / rate on connection i % connections. Its latency is measured from that
// time, however late it was sent. The client sends the bytes.
import { createInterface } from "node:readline";

const SEND_AT_ONCE = 64;
const DRAIN_MS = 2000;

export class EchoSchedule {
  #connections;
  #size;
  #send;
  /**
   * By connection: the number of unanswered messages, the number of the oldest, and the bytes received of its answer.
   */
  #awaited;
  #oldest;
  #received;
  #unanswered = 0;
  #sent = 0;
  #perMs = 0;
  #startMs = 0;
  #fromMs = 0;
  #untilMs = 0;
  #samples = new Float64Array(0);
  #count = 0;

  /**
   * @param {number} connections
   * @param {number} size size of a message in bytes
   * @param {(connection: number) => void} send sends one message
   */
  constructor(connections, size, send) {
    this.#connections = connections;
    this.#size = size;
    this.#send = send;
    this.#awaited = new Int32Array(connections);
    this.#oldest = new Float64Array(connections);
    this.#received = new Int32Array(connections);
  }

  /**
   * @param {number} connection
   * @param {number} bytes number of bytes received
   */
  receive(connection, bytes) {
    const nowMs = performance.now();
    let received = this.#received[connection] + bytes;
    for (; received >= this.#size; received -= this.#size) {
      const dueMs = this.#startMs + this.#oldest[connection] / this.#perMs;
      this.#oldest[connection] += this.#connections;
      this.#awaited[connection]--;
      this.#unanswered--;
      if (nowMs < this.#fromMs || nowMs >= this.#untilMs || this.#count >= this.#samples.length) continue;
      this.#samples[this.#count++] = (nowMs - dueMs) * 1000;
    }
    this.#received[connection] = received;
  }

  /** Prints "ready", and plays one run for each line of input, "<messages per second> <warm-up ms> <measured ms>". */
  async follow() {
    console.log("ready");
    for await (const line of createInterface(process.stdin)) {
      const [ratePerSec, warmUpMs, measuredMs] = line.split(" ").map(Number);
      await this.#measure(ratePerSec, warmUpMs, measuredMs);
      console.log(JSON.stringify(this.#report(measuredMs)));
    }
  }

  /**
   * @param {number} ratePerSec
   * @param {number} warmUpMs
   * @param {number} measuredMs
   */
  async #measure(ratePerSec, warmUpMs, measuredMs) {
    this.#samples = new Float64Array(Math.ceil((ratePerSec * measuredMs * 2) / 1000) + this.#connections);
    this.#count = 0;
    this.#sent = 0;
    this.#perMs = ratePerSec / 1000;
    this.#startMs = performance.now();
    this.#fromMs = this.#startMs + warmUpMs;
    this.#untilMs = this.#fromMs + measuredMs;
    setTimeout(() => console.log("measuring"), warmUpMs);
    await new Promise((resolve) => this.#tick(() => resolve(undefined)));
  }

  /** @param {() => void} end */
  #tick(end) {
    const nowMs = performance.now();
    if (nowMs >= this.#untilMs) {
      if (this.#unanswered === 0 || nowMs >= this.#untilMs + DRAIN_MS) return end();
      return setTimeout(() => this.#tick(end), 5);
    }
    for (let n = 0; n < SEND_AT_ONCE && this.#dueMs() <= nowMs; n++) {
      const connection = this.#sent % this.#connections;
      if (this.#awaited[connection]++ === 0) this.#oldest[connection] = this.#sent;
      this.#unanswered++;
      this.#sent++;
      this.#send(connection);
    }
    // If behind schedule, handle received data once and continue. A timer would take a millisecond.
    if (this.#dueMs() <= nowMs) setImmediate(() => this.#tick(end));
    else setTimeout(() => this.#tick(end), 1);
  }

  #dueMs() {
    return this.#startMs + this.#sent / this.#perMs;
  }

  /** @param {number} measuredMs */
  #report(measuredMs) {
    const sorted = this.#samples.subarray(0, this.#count).sort();
    const at = (/** @type {number} */ share) =>
      sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return {
      answered: sorted.length,
      seconds: measuredMs / 1000,
      unanswered: this.#unanswered,
      p50Us: at(0.5),
      p99Us: at(0.99),
      p999Us: at(0.999),
      maxUs: at(1),
    };
  }
}
