// Connects to NATS, for the coordinator and the agents.
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../../util/errors.js";
import { formatBytes } from "../../util/units.js";
import type { Bus } from "../bus.js";
import type { NatsOptions } from "../options.js";
import type { RunStore } from "../store.js";
import { NatsBus } from "./bus.js";
import { connectError, natsSettings } from "./settings.js";
import { openStore } from "./store.js";

/** Announcements with many addresses, and results, need as much. */
const LEAST_PAYLOAD_BYTES = 32 * 1024;

export interface Link {
  readonly bus: Bus;
  readonly store: RunStore;
}

/**
 * @param name shown in the server's monitoring
 * @throws {AppError} E_OPTION for invalid options; E_FLEET if no server can be reached, or it refuses the credentials
 */
export async function connectNats(options: NatsOptions, name: string): Promise<Link> {
  const settings = natsSettings(options, name, credsAuthenticator);
  let connection: NatsConnection;
  try {
    connection = await connect(settings);
  } catch (error) {
    throw connectError(error, options);
  }
  try {
    assertPayload(connection.info?.max_payload);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return { bus: new NatsBus(connection), store: await openStore(connection) };
}

function assertPayload(mostBytes = LEAST_PAYLOAD_BYTES): void {
  if (mostBytes >= LEAST_PAYLOAD_BYTES) return;
  throw new AppError("E_FLEET", `the NATS server accepts messages of at most ${formatBytes(mostBytes)}`, {
    fix: `raise max_payload in its configuration to ${formatBytes(LEAST_PAYLOAD_BYTES)} or more; its default is 1 MiB`,
  });
}
