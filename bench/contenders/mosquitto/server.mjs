// mosquitto without authentication. Prints "listening"; for each line on its standard input, prints a line of JSON with
// the number of messages published to it so far, and the time of that figure, which mosquitto updates once a second.
// Usage: server.mjs <port>. Stops on SIGTERM.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const TOPIC = "$SYS/broker/publish/messages/received";
const port = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "fourtuple-bench-mosquitto-"));
const config = ["user root", `listener ${port} 127.0.0.1`, "allow_anonymous true", "sys_interval 1", "log_type none"];
writeFileSync(join(folder, "mosquitto.conf"), `${config.join("\n")}\n`);
const broker = spawn("mosquitto", ["-c", join(folder, "mosquitto.conf")], { stdio: "ignore" });
broker.once("exit", (code) => {
  rmSync(folder, { recursive: true });
  process.exit(code ?? 1);
});
broker.once("error", () => process.exit(1));
process.once("SIGTERM", () => broker.kill("SIGTERM"));

let count = { messages: 0, ms: 0 };
while (!(await watch())) await delay(20);
console.log("listening");
for await (const _ of createInterface(process.stdin)) console.log(JSON.stringify(count));

/**
 * Subscribes to the broker's own count of messages.
 * @returns {Promise<boolean>} whether the broker is listening
 */
function watch() {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => resolve(true));
    // CONNECT as "w" with MQTT 3.1.1, and SUBSCRIBE with quality of service 0.
    socket.write(Buffer.from("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01w", "latin1"));
    socket.write(
      Buffer.from(`\x82${String.fromCharCode(TOPIC.length + 5)}\x00\x01\x00${lengthOf()}${TOPIC}\x00`, "latin1"),
    );
    socket.on("data", (bytes) => {
      const found = bytes.toString("latin1").split(TOPIC).at(-1)?.match(/^\d+/);
      if (found) count = { messages: Number(found[0]), ms: performance.now() };
    });
  });
}

function lengthOf() {
  return String.fromCharCode(TOPIC.length);
}
