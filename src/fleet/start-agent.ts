// Entry point of an agent: connects to NATS and waits for runs.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { parseAddressRanges } from "../util/address-range.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { readVersion } from "../util/program/files.js";
import { Agent } from "./agent/agent.js";
import { DEFAULT_ALLOW, parsePermission } from "./agent/allow.js";
import { removeOldCode } from "./agent/code-store.js";
import type { AgentEvents, AgentIdentity } from "./agent/events.js";
import { agentHost } from "./agent/host.js";
import { connectNats } from "./nats/link.js";
import type { NatsOptions } from "./options.js";

export interface AgentOptions extends NatsOptions {
  /** Name of the agent in results; default: the name of the host. */
  readonly name?: string | undefined;
  /**
   * The only destinations that the agent will ever connect to: `10.0.0.0/8`, `10.0.0.5:7777`, `[fd00::/8]:443`;
   * default: loopback and private addresses.
   */
  readonly allow?: readonly string[] | undefined;
  /**
   * Whether the agent runs protocols that coordinators send, with all rights of this program; default false. Their files
   * are stored in a folder of this user, named by their hash, until a week after their last use.
   */
  readonly allowCode?: boolean | undefined;
  /**
   * Addresses for connections without kernel sockets (transport `packet`), such as `10.64.1.0/24`: they belong to no
   * host, and to no other agent. By default, the agent takes no part in such runs.
   */
  readonly packetAddresses?: string | undefined;
  /**
   * Whether the agent makes the changes to this host that packets of such runs need, until each run ends; default false:
   * a run that needs changes is refused.
   */
  readonly apply?: boolean | undefined;
}

/** An agent that waits for runs. */
export interface FleetAgent {
  /** Name and id in results, and the version of fourtuple. */
  readonly identity: AgentIdentity;
  /** Destinations that the agent may connect to. */
  readonly allows: string;
  /** The run in progress; undefined while waiting. */
  readonly run: string | undefined;
  on<Event extends keyof AgentEvents>(event: Event, listener: (...args: AgentEvents[Event]) => void): unknown;
  /** Ends the run in progress and disconnects. */
  stop(): Promise<void>;
}

/**
 * @throws {AppError} E_OPTION or E_ADDRESS for invalid options; E_FLEET if no server can be reached, or it refuses the
 *   credentials or a subject
 */
export async function startAgent(options: AgentOptions): Promise<FleetAgent> {
  const permissions = (options.allow ?? DEFAULT_ALLOW).map(parsePermission);
  const addresses = options.packetAddresses === undefined ? [] : parseAddressRanges(options.packetAddresses);
  const name = checkName(options.name ?? hostname().slice(0, 64));
  const { bus, store } = await connectNats(options, `fourtuple agent ${name}`);
  if (options.allowCode) removeOldCode();
  const identity = { id: randomBytes(4).toString("hex"), name, version: readVersion() };
  const host = agentHost({
    endpoints: permissions,
    code: options.allowCode ?? false,
    packet: { addresses, apply: options.apply ?? false },
  });
  const agent = new Agent(identity, bus, store, host);
  try {
    await bus.check();
  } catch (error) {
    await agent.close();
    await bus.close();
    throw error;
  }
  return {
    identity,
    allows: permissions.map(({ text }) => text).join(", "),
    get run() {
      return agent.run;
    },
    on: (event, listener) => agent.on(event, listener as never),
    stop: async () => {
      await agent.close();
      await bus.close();
    },
  };
}

function checkName(name: string): string {
  if (/^[\w.-]{1,64}$/.test(name)) return name;
  throw new AppError("E_OPTION", `invalid name of an agent: ${quoted(name)}`, {
    fix: "use up to 64 letters, digits, dots, hyphens and underscores: --name load-1",
  });
}
