// MQTT for tests: packets built by the `mqtt-packet` package, one character per byte, and brokers to test against.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes, type AedesOptions } from "aedes";
import mqtt, { type Packet } from "mqtt-packet";
import { onTestFinished } from "vitest";
import type { MqttSpec } from "../../src/protocols/spec/spec.js";
import { ownAddress, ownPort } from "./address.js";
import { start } from "./process.js";

export const SPEC: MqttSpec = {
  name: "mqtt",
  version: 5,
  clientId: "client",
  keepAliveSec: 60,
  cleanStart: true,
  sessionExpirySec: 0,
  refusal: 0,
};

export function packet(of: Packet, version: 4 | 5 = 5): string {
  return mqtt.generate(of, { protocolVersion: version }).toString("latin1");
}

/**
 * Parses all packets in these bytes.
 * @throws {Error} if the bytes are invalid
 */
export function packetsIn(bytes: string, version: 4 | 5 = 5): Packet[] {
  const parser = mqtt.parser({ protocolVersion: version });
  const found: Packet[] = [];
  parser.on("packet", (each) => found.push(each));
  parser.on("error", (error) => {
    throw error;
  });
  parser.parse(Buffer.from(bytes, "latin1"));
  return found;
}

export const connect = (options: object = {}, version: 4 | 5 = 5) =>
  packet({ cmd: "connect", protocolVersion: version, clientId: "id", clean: true, keepalive: 60, ...options }, version);

/** A CONNACK that accepts the connection. */
export const connack = (properties = {}) =>
  packet({ cmd: "connack", reasonCode: 0, sessionPresent: false, properties } as Packet);

/** Starts mosquitto with these lines in its configuration; `log` returns what it has logged. */
export async function startMosquitto(
  lines: readonly string[] = ["allow_anonymous true"],
  files: Record<string, string> = {},
  nofile?: number,
) {
  const [ip, port] = [ownAddress(), ownPort()];
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-mosquitto-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  // Run as the current user; otherwise mosquitto switches to a user who cannot read the folder.
  const config = ["user root", `listener ${port} ${ip}`, ...lines.map((line) => line.replaceAll("FOLDER", folder))];
  writeFileSync(join(folder, "mosquitto.conf"), `${config.join("\n")}\n`);
  const broker = start(
    "mosquitto",
    ["-v", "-c", join(folder, "mosquitto.conf")],
    nofile === undefined ? {} : { nofile },
  );
  // mosquitto logs to standard error.
  const log = () => broker.stdout + broker.stderr;
  return { ip, port, at: `mqtt://${ip}:${port}`, broker, log };
}

/** Starts aedes, a broker from npm, in this process. */
export async function startAedes(options: AedesOptions = {}) {
  const [ip, port] = [ownAddress(), ownPort()];
  const broker = await Aedes.createBroker(options);
  const server = createServer(broker.handle);
  await once(server.listen(port, ip), "listening");
  onTestFinished(() => {
    broker.close();
    server.close();
  });
  return { ip, port, at: `mqtt://${ip}:${port}`, broker };
}
