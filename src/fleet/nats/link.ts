// Connects to NATS, for the coordinator and the agents.
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import type { Bus } from "../bus.js";
import type { NatsOptions } from "../options.js";
import type { RunStore } from "../store.js";
import { NatsBus } from "./bus.js";
import { connectError, natsSettings } from "./settings.js";
import { openStore } from "./store.js";

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
  return { bus: new NatsBus(connection), store: await openStore(connection) };
}
