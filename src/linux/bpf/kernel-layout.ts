// Offsets of struct members, and type numbers, that walk-program.ts needs to walk the running kernel's TCP sockets.
// Both differ between kernels, so they are looked up in BTF, once per process.
import { BTF_KIND, type Btf, type BtfName, withKernelBtf } from "./btf.js";

const MEMBERS = {
  nsproxy: ["task_struct", "nsproxy"],
  netNamespace: ["nsproxy", "net_ns"],
  hashInfo: ["net", "ipv4.tcp_death_row.hashinfo"],
  namespaceInode: ["net", "ns.inum"],
  buckets: ["inet_hashinfo", "ehash"],
  bucketMask: ["inet_hashinfo", "ehash_mask"],
  remoteIpv4: ["sock_common", "skc_daddr"],
  localIpv4: ["sock_common", "skc_rcv_saddr"],
  remotePort: ["sock_common", "skc_dport"],
  localPort: ["sock_common", "skc_num"],
  family: ["sock_common", "skc_family"],
  state: ["sock_common", "skc_state"],
  interface: ["sock_common", "skc_bound_dev_if"],
  net: ["sock_common", "skc_net"],
  remoteIpv6: ["sock_common", "skc_v6_daddr"],
  localIpv6: ["sock_common", "skc_v6_rcv_saddr"],
  node: ["sock_common", "skc_nulls_node"],
  timeWaitState: ["inet_timewait_sock", "tw_substate"],
} as const satisfies Record<string, readonly [struct: string, path: string]>;

const TYPES = {
  socket: ["sock_common", BTF_KIND.struct],
  timeWait: ["inet_timewait_sock", BTF_KIND.struct],
  net: ["net", BTF_KIND.struct],
  bucket: ["inet_ehash_bucket", BTF_KIND.struct],
  cast: ["bpf_rdonly_cast", BTF_KIND.func],
  rcuLock: ["bpf_rcu_read_lock", BTF_KIND.func],
  rcuUnlock: ["bpf_rcu_read_unlock", BTF_KIND.func],
} as const satisfies Record<string, readonly [name: string, kind: number]>;

export interface KernelLayout {
  /** Offsets in bytes. */
  readonly offsets: Readonly<Record<keyof typeof MEMBERS, number>>;
  /** Numbers of types in the kernel's BTF. */
  readonly types: Readonly<Record<keyof typeof TYPES, number>>;
}

let known: KernelLayout | "unknown" | undefined;

/** Returns the layout; undefined if the kernel has no BTF, or if a member or function is missing from the BTF. */
export function readKernelLayout(): KernelLayout | undefined {
  known ??= withKernelBtf(wantedNames(), layoutOf) ?? "unknown";
  return known === "unknown" ? undefined : known;
}

function layoutOf(btf: Btf): KernelLayout | undefined {
  const offsets = lookUp(MEMBERS, ([struct, path]) => btf.offsetOf(struct, path));
  const types = lookUp(TYPES, ([name, kind]) => btf.idOf(name, kind));
  return offsets && types && { offsets, types };
}

function wantedNames(): BtfName[] {
  const structs = [...new Set(Object.values(MEMBERS).map(([name]) => name))].map((name) => ({
    name,
    kind: BTF_KIND.struct,
  }));
  return [...structs, ...Object.values(TYPES).map(([name, kind]) => ({ name, kind }))];
}

/**
 * @returns undefined if any value is undefined
 */
function lookUp<Key extends string, Of>(
  table: Readonly<Record<Key, Of>>,
  find: (of: Of) => number | undefined,
): Record<Key, number> | undefined {
  const pairs = Object.entries<Of>(table).map(([key, of]) => [key, find(of)] as const);
  if (pairs.some(([, value]) => value === undefined)) return undefined;
  return Object.fromEntries(pairs) as Record<Key, number>;
}
