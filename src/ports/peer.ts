// The other end of a run where it is on this host: who listens there, how full its accept queue is, how the process fares.
import type { AddressRange, IpAddress, PortRange } from "../base/address.js";
import { type ProcessFacts, readProcessFacts } from "../sys/process-facts.js";
import { type ListenerRow, readListeners } from "./listeners.js";
import { countByOwner } from "./owners.js";

export interface LocalPeer {
  /** LISTEN sockets on the destinations; none when nobody listens. */
  readonly listeners: readonly Pick<ListenerRow, "ip" | "port" | "acceptQueue" | "uid">[];
  /** The process that has most of the sockets there; undefined when none is visible. */
  readonly process: ProcessFacts | undefined;
}

/** Looks at the LISTEN sockets on `ports`, at any of `ips`, in this network namespace. */
export async function inspectPeer(ips: readonly IpAddress[], ports: PortRange): Promise<LocalPeer> {
  const addresses: AddressRange[] = ips.map((first) => ({ first, count: 1 }));
  const local = { ports: [ports], addresses };
  const listeners = await readListeners({ local });
  // Workers share their master's listener: the process that has the connections is the one that fills up.
  const { owners } = await countByOwner({ local, wildcardListeners: true });
  return {
    listeners: listeners.map(({ ip, port, acceptQueue, uid }) => ({ ip, port, acceptQueue, uid })),
    process: owners[0] && readProcessFacts(owners[0].pid),
  };
}
