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
import { findTargets, type Targets } from "../../planning/targets.js";
import type { NetworkEvents } from "../../tuning/network-changes.js";
import { formatIp, parseIp } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import type { StoredCode } from "../code.js";
import { codeOf } from "../contents.js";
import { type Announcement, type Ceiling, LONGEST_ALLOWS, MOST_ADDRESSES } from "../messages.js";
import { isServerSpec, type ServerSpec } from "../server-spec.js";
import { assertAllowed, type Permission } from "./allow.js";
import { predictCeiling } from "./ceiling.js";
import { assertCodeAllowed, storeCode } from "./code-store.js";
import type { PreparedLoad } from "./load.js";
import { openChanges, ownPart, type PacketPermission } from "./packet.js";
import { prepareServer, serverCeiling } from "./server.js";

export interface AgentHost {
  describe(): Omit<Announcement, "id" | "name" | "version" | "run">;
  /** @throws {AppError} if the host cannot connect to the destinations at all */
  ceiling(spec: RunSpec | ServerSpec): Promise<Ceiling>;
  /**
   * @param total connections of the whole run; of no meaning for a server
   * @throws {AppError} E_NOT_AUTHORIZED for a destination that is not permitted; the codes of connect()
   */
  prepare(spec: RunSpec | ServerSpec, total: number, reports?: HostReports): Promise<PreparedLoad>;
}

/** What is done to the host for a run. */
export interface HostReports extends Partial<NetworkEvents> {
  /** Called before code of the coordinator is executed, with its title and hash. */
  code?(text: string): void;
}

/** What an agent's user permits. */
export interface HostPermissions {
  /** Destinations that the agent may connect to, and addresses that it may listen on. */
  readonly endpoints: readonly Permission[];
  /** Whether it runs protocols that coordinators send. */
  readonly code: boolean;
  readonly packet: PacketPermission;
}

export function agentHost({ endpoints: permissions, code: allowsCode, packet }: HostPermissions): AgentHost {
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
      if (isServerSpec(spec)) return serverCeiling(spec, ownAddresses(), permissions, packet);
      assertSupported(spec);
      const local = withOwnSources(spec, packet);
      const { plan } = await findTargets(local);
      assertAllowed(plan, permissions);
      return predictCeiling(local, plan);
    },
    prepare: async (spec, total, reports = {}) => {
      const code = codeOf(spec);
      const words = assertCodeAllowed(code, allowsCode);
      if (words !== undefined) reports.code?.(words);
      const files = code && (await storeCode(code));
      if (isServerSpec(spec)) return prepareServer(spec, files, ownAddresses(), permissions, packet, reports);
      assertSupported(spec);
      const local = withFiles(withOwnSources(spec, packet), files);
      const assertMayRun = ({ plan, isLocal }: Targets) => {
        assertAllowed(plan, permissions);
        const [first] = plan.groups.flatMap(({ destinations }) => destinations);
        if (!isLocal) assertAuthorized(first?.ip, { ...spec, connections: total });
      };
      if (spec.transport !== "packet") {
        const prepared = await prepareRun(local);
        assertMayRun(prepared.targets);
        return holdLoad(prepared, () => undefined);
      }
      // Before the host is changed.
      assertMayRun(await findTargets(local));
      const changes = openChanges(packet, reports);
      try {
        const prepared = await prepareRun(local, changes.prepare);
        assertMayRun(prepared.targets);
        return await holdLoad(prepared, changes.undo);
      } catch (error) {
        changes.undo();
        throw error;
      }
    },
  };
}

/**
 * @throws {AppError} E_OPTION for a run that agents do not take part in
 */
export function assertSupported({ isSingle }: RunSpec): void {
  if (!isSingle) return;
  throw new AppError("E_OPTION", "a single connection cannot be divided among a fleet", {
    fix: "add -c, or omit --fleet",
  });
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

/** @param ended called when the run has ended */
async function holdLoad(prepared: PreparedRun, ended: () => void): Promise<PreparedLoad> {
  const run = prepared.hold();
  const done = run.done.finally(ended);
  done.catch(() => undefined);
  // A run whose threads cannot start rejects.
  await Promise.race([ConnectRun.threadsUp(run), done]);
  return {
    tuplesAvailable: run.tuplesAvailable,
    begin: () => {
      ConnectRun.release(run);
      const { ready } = run;
      const measure = () => ConnectRun.measure(run);
      return { ready, done, measure, snapshot: () => run.snapshot(), stop: () => run.stop() };
    },
    discard: async () => {
      await run.stop().catch(() => undefined);
      await done.catch(() => undefined);
    },
  };
}

/**
 * Of the source addresses for the whole fleet, an agent uses its own. If it has none, the run reports the reason.
 * @throws {AppError} E_NOT_AUTHORIZED if it has none without kernel sockets
 */
function withOwnSources(spec: RunSpec, packet: PacketPermission): RunSpec {
  if (spec.sources === undefined) return spec;
  const wanted = spec.sources.map(({ first, count }) => ({ first: resolveZone(parseIp(first)), count }));
  const good = spec.transport === "packet" ? ownPart(wanted, packet) : checkSources(wanted).good;
  if (good.length === 0) return spec;
  return { ...spec, sources: good.map(({ first, count }) => ({ first: formatIp(first), count })) };
}
