// An agent's part in a run that serves: its ceiling, and a server that listens before the run starts.

import { predictWithoutServer } from "../../capacity/predict.js";
import { resolveHost } from "../../linux/resolve.js";
import { formatAddress, parseAddress } from "../../protocols/spec/address.js";
import { packetAddresses } from "../../server/listening/packet-listener.js";
import type { ServeOptions } from "../../server/options.js";
import { checkServeOptions } from "../../server/options-schema.js";
import { ServeRun } from "../../server/run.js";
import { serve } from "../../server/serve.js";
import type { NetworkEvents } from "../../tuning/network-changes.js";
import { formatIp, parseIp } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { UNLIMITED } from "../../util/bound.js";
import type { StoredCode } from "../code.js";
import type { Ceiling } from "../messages.js";
import { type ServerSpec, serveOptionsOf } from "../server-spec.js";
import { assertMayListen, type Permission } from "./allow.js";
import { sharersOf } from "./ceiling.js";
import type { PreparedLoad } from "./load.js";
import { openChanges, ownServerPart, type PacketPermission, rangeText } from "./packet.js";

/**
 * Predicts how many connections a server on this host can hold.
 *
 * @param own addresses of this host, without loopback
 * @throws {AppError} E_NOT_AUTHORIZED if the agent may not listen there; E_ADDRESS or E_RESOLVE
 */
export async function serverCeiling(
  spec: ServerSpec,
  own: readonly string[],
  permissions: readonly Permission[],
  packet: PacketPermission,
): Promise<Ceiling> {
  const { scheme } = parseAddress(spec.at, { anyPort: true });
  const { at } = await listeningOptions(spec, undefined, own, permissions, packet);
  const { limits } = await predictWithoutServer({
    role: "server",
    program: "fourtuple",
    measure: false,
    protocol: scheme,
    connections: spec.maxConnections,
    engine: spec.engine,
    transport: spec.transport,
  });
  const bounded = limits
    .flatMap(({ allows, ...limit }) =>
      typeof allows === "number" ? [{ ...limit, allows: Math.min(UNLIMITED, Math.floor(allows)) }] : [],
    )
    .sort((a, b) => a.allows - b.allows);
  const [binding] = bounded;
  const shared = bounded.flatMap(({ id, name, caps, scope, allows }) => {
    const sharers = sharersOf(id, scope);
    return sharers === undefined ? [] : [{ pool: `${id} ${sharers}`, name, caps, allows }];
  });
  return {
    connections: binding?.allows ?? UNLIMITED,
    limit: binding?.name,
    caps: binding?.caps,
    addresses: 0,
    shared,
    packet: spec.transport === "packet" ? [{ first: formatIp(at.first), count: at.count }] : undefined,
  };
}

/**
 * Listens, so that clients may connect as soon as all agents are ready.
 *
 * @param files of a user-defined protocol
 * @param events called with changes to this host
 * @throws {AppError} E_NOT_AUTHORIZED; the codes of serve()
 */
export async function prepareServer(
  spec: ServerSpec,
  files: StoredCode | undefined,
  own: readonly string[],
  permissions: readonly Permission[],
  packet: PacketPermission,
  events: Partial<NetworkEvents>,
): Promise<PreparedLoad> {
  const { options } = await listeningOptions(spec, files, own, permissions, packet);
  const changes = options.transport === "packet" ? openChanges(packet, events) : undefined;
  const run = await serve(options, undefined, changes?.prepare).catch((error: unknown) => {
    changes?.undo();
    throw error;
  });
  const done = run.done.finally(() => changes?.undo());
  done.catch(() => undefined);
  return {
    address: run.address,
    begin: () => ({
      ready: run.ready,
      done,
      measure: () => ServeRun.measure(run),
      snapshot: () => run.snapshot(),
      stop: () => run.stop(),
    }),
    discard: async () => {
      await run.stop().catch(() => undefined);
      await done.catch(() => undefined);
    },
  };
}

/**
 * Returns the options of serve() for this host, and the addresses that it listens on.
 * @throws {AppError} E_NOT_AUTHORIZED if the agent may not listen there; E_OPTION, E_ADDRESS or E_RESOLVE
 */
async function listeningOptions(
  spec: ServerSpec,
  files: StoredCode | undefined,
  own: readonly string[],
  permissions: readonly Permission[],
  packet: PacketPermission,
): Promise<{ readonly options: ServeOptions; readonly at: AddressRange }> {
  const options = checkServeOptions(serveOptionsOf(spec, files));
  const address = parseAddress(options.at, { anyPort: true });
  const { host, ports } = address;
  if (options.transport !== "packet") {
    const at = { first: await resolveHost(host), count: 1 };
    assertMayListen(at, ports.first, own.map(parseIp), permissions);
    return { options, at };
  }
  const at = ownServerPart(await packetAddresses(host), packet);
  assertMayListen(at, ports.first, [], permissions);
  return { options: { ...options, at: formatAddress({ ...address, host: rangeText(at) }) }, at };
}
