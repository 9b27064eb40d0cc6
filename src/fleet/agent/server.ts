// An agent's part in a run that serves: its ceiling, and a server that listens before the run starts.

import { predictWithoutServer } from "../../capacity/predict.js";
import { resolveHost } from "../../linux/resolve.js";
import { parseAddress } from "../../protocols/spec/address.js";
import { checkServeOptions } from "../../server/options-schema.js";
import { ServeRun } from "../../server/run.js";
import { serve } from "../../server/serve.js";
import { parseIp } from "../../util/address.js";
import type { StoredCode } from "../contents.js";
import type { Ceiling } from "../messages.js";
import { type ServerSpec, serveOptionsOf } from "../server-spec.js";
import { assertMayListen, type Permission } from "./allow.js";
import { MOST, sharersOf } from "./ceiling.js";
import type { PreparedLoad } from "./load.js";

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
): Promise<Ceiling> {
  const { scheme, host, ports } = parseAddress(spec.at, { anyPort: true });
  assertMayListen(await resolveHost(host), ports.first, own.map(parseIp), permissions);
  const { limits } = await predictWithoutServer({
    role: "server",
    program: "fourtuple",
    measure: false,
    protocol: scheme,
    connections: spec.maxConnections,
    engine: spec.engine,
  });
  const bounded = limits
    .flatMap(({ allows, ...limit }) =>
      typeof allows === "number" ? [{ ...limit, allows: Math.min(MOST, Math.floor(allows)) }] : [],
    )
    .sort((a, b) => a.allows - b.allows);
  const [binding] = bounded;
  const shared = bounded.flatMap(({ id, name, caps, scope, allows }) => {
    const sharers = sharersOf(id, scope);
    return sharers === undefined ? [] : [{ pool: `${id} ${sharers}`, name, caps, allows }];
  });
  return { connections: binding?.allows ?? MOST, limit: binding?.name, caps: binding?.caps, addresses: 0, shared };
}

/**
 * Listens, so that clients may connect as soon as all agents are ready.
 *
 * @param files of a user-defined protocol
 * @throws {AppError} E_NOT_AUTHORIZED; the codes of serve()
 */
export async function prepareServer(
  spec: ServerSpec,
  own: readonly string[],
  permissions: readonly Permission[],
  files: StoredCode | undefined,
): Promise<PreparedLoad> {
  const options = checkServeOptions(serveOptionsOf(spec, files));
  const { host, ports } = parseAddress(options.at, { anyPort: true });
  const ip = await resolveHost(host);
  assertMayListen(ip, ports.first, own.map(parseIp), permissions);
  const run = await serve(options);
  return {
    address: run.address,
    begin: () => {
      const { ready, done } = run;
      const histograms = () => ServeRun.measure(run).histograms;
      return { ready, done, histograms, snapshot: () => run.snapshot(), stop: () => run.stop() };
    },
    discard: async () => {
      await run.stop().catch(() => undefined);
    },
  };
}
