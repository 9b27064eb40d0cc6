// What an agent does with its host: describes it, predicts its ceiling, and prepares runs on it.
import { availableParallelism, totalmem } from "node:os";
import { type PreparedRun, prepareRun } from "../../client/connect.js";
import { ConnectRun } from "../../client/run.js";
import { readInterfaces } from "../../linux/netlink/interfaces.js";
import { readBootId, readNetNamespace } from "../../linux/proc/identity.js";
import { resolveZone } from "../../linux/zone.js";
import { assertAuthorized } from "../../planning/authorization.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { checkSources } from "../../planning/sources.js";
import { findTargets } from "../../planning/targets.js";
import { formatIp, parseIp } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import { codeOf, type StoredCode } from "../contents.js";
import { type Announcement, type Ceiling, LONGEST_ALLOWS, MOST_ADDRESSES } from "../messages.js";
import { isServerSpec, type ServerSpec } from "../server-spec.js";
import { assertAllowed, type Permission } from "./allow.js";
import { predictCeiling } from "./ceiling.js";
import { assertCodeAllowed, storeCode } from "./code-store.js";
import type { PreparedLoad } from "./load.js";
import { prepareServer, serverCeiling } from "./server.js";

export interface AgentHost {
  describe(): Omit<Announcement, "id" | "name" | "version" | "run">;
  /** @throws {AppError} if the host cannot connect to the destinations at all */
  ceiling(spec: RunSpec | ServerSpec): Promise<Ceiling>;
  /**
   * @param total connections of the whole run; of no meaning for a server
   * @param onCode called before code of the coordinator is executed, with its title and hash
   * @throws {AppError} E_NOT_AUTHORIZED for a destination that is not permitted; the codes of connect()
   */
  prepare(spec: RunSpec | ServerSpec, total: number, onCode?: (text: string) => void): Promise<PreparedLoad>;
}

/**
 * @param permissions destinations that this agent may connect to, and addresses that it may listen on
 * @param allowsCode whether it runs protocols that coordinators send
 */
export function agentHost(permissions: readonly Permission[], allowsCode: boolean): AgentHost {
  const allows = permissions.map(({ text }) => text).join(", ");
  return {
    describe: () => ({
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      addresses: ownAddresses().slice(0, MOST_ADDRESSES),
      host: readBootId() ?? "",
      place: `${readBootId() ?? ""} ${readNetNamespace() ?? ""}`,
      allows: allows.slice(0, LONGEST_ALLOWS),
    }),
    ceiling: async (spec) => {
      assertCodeAllowed(codeOf(spec), allowsCode);
      if (isServerSpec(spec)) return serverCeiling(spec, ownAddresses(), permissions);
      assertSupported(spec);
      const local = withOwnSources(spec);
      const { plan } = await findTargets(local);
      assertAllowed(plan, permissions);
      return predictCeiling(local, plan);
    },
    prepare: async (spec, total, onCode) => {
      const code = codeOf(spec);
      const words = assertCodeAllowed(code, allowsCode);
      if (words !== undefined) onCode?.(words);
      const files = code && (await storeCode(code));
      if (isServerSpec(spec)) return prepareServer(spec, ownAddresses(), permissions, files);
      assertSupported(spec);
      const prepared = await prepareRun(withFiles(withOwnSources(spec), files));
      assertAllowed(prepared.targets.plan, permissions);
      if (!prepared.targets.isLocal) {
        const [first] = prepared.targets.plan.groups.flatMap(({ destinations }) => destinations);
        assertAuthorized(first?.ip, { ...spec, connections: total });
      }
      return holdLoad(prepared);
    },
  };
}

/**
 * @throws {AppError} E_OPTION for a run that agents do not take part in
 */
export function assertSupported({ transport, isSingle }: RunSpec): void {
  const refuse = (message: string, fix: string) => new AppError("E_OPTION", message, { fix });
  if (isSingle) throw refuse("a single connection cannot be divided among a fleet", "add -c, or omit --fleet");
  // The addresses of such a run have to be routed to one host.
  if (transport === "packet") {
    throw refuse("--transport packet cannot be used with a fleet", "omit --transport or --fleet");
  }
}

/** Replaces the paths on the coordinator's host. */
function withFiles(spec: RunSpec, files: StoredCode | undefined): RunSpec {
  const { protocol } = spec;
  if (protocol?.name !== "scripted" || !files) return spec;
  const { data, contents: _, ...rest } = protocol;
  return { ...spec, protocol: { ...rest, file: files.file, data: data && { ...data, file: files.data! } } };
}

function ownAddresses(): string[] {
  const found = Object.values(readInterfaces() ?? {}).flatMap((list) => list ?? []);
  return found.filter(({ internal }) => !internal).map(({ address }) => address);
}

async function holdLoad(prepared: PreparedRun): Promise<PreparedLoad> {
  const run = prepared.hold();
  // A run whose threads cannot start rejects.
  await Promise.race([ConnectRun.threadsUp(run), run.done]);
  return {
    tuplesAvailable: run.tuplesAvailable,
    begin: () => {
      ConnectRun.release(run);
      const { ready, done } = run;
      const histograms = () => ConnectRun.measure(run).histograms;
      return { ready, done, histograms, snapshot: () => run.snapshot(), stop: () => run.stop() };
    },
    discard: async () => {
      await run.stop().catch(() => undefined);
    },
  };
}

/** Of the source addresses for the whole fleet, an agent uses its own. If it has none, the run reports the reason. */
function withOwnSources(spec: RunSpec): RunSpec {
  if (spec.sources === undefined) return spec;
  const { good } = checkSources(
    spec.sources.map(({ first, count }) => ({ first: resolveZone(parseIp(first)), count })),
  );
  if (good.length === 0) return spec;
  return { ...spec, sources: good.map(({ first, count }) => ({ first: formatIp(first), count })) };
}
