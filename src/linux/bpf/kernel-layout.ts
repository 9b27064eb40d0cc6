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
  // Unions of both ends' addresses (IPv4) and ports, for loading both at once.
  bothIpv4: ["sock_common", "skc_addrpair"],
  remoteIpv4: ["sock_common", "skc_daddr"],
  localIpv4: ["sock_common", "skc_rcv_saddr"],
  bothPorts: ["sock_common", "skc_portpair"],
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

/** Members that only full sockets have, unlike those in TIME_WAIT and requests in the SYN queue. */
const DETAILS = {
  uid: ["sock", "sk_uid"],
  receiveAlloc: ["sock", "sk_backlog.rmem_alloc"],
  receiveBuffer: ["sock", "sk_rcvbuf"],
  sendAlloc: ["sock", "sk_wmem_alloc"],
  sendBuffer: ["sock", "sk_sndbuf"],
  forwardAlloc: ["sock", "sk_forward_alloc"],
  sendQueued: ["sock", "sk_wmem_queued"],
  options: ["sock", "sk_omem_alloc"],
  backlog: ["sock", "sk_backlog.len"],
  drops: ["sock", "sk_drops"],
  file: ["sock", "sk_socket"],
  fileSocket: ["socket_alloc", "socket"],
  fileInode: ["socket_alloc", "vfs_inode.i_ino"],
  received: ["tcp_sock", "rcv_nxt"],
  copied: ["tcp_sock", "copied_seq"],
  written: ["tcp_sock", "write_seq"],
  acknowledged: ["tcp_sock", "snd_una"],
} as const satisfies Record<string, readonly [struct: string, path: string]>;

/** The cgroup of a full socket, and its ID. A kernel without cgroups or SOCK_CGROUP_DATA has none of them. */
const CGROUP = {
  cgroup: ["sock", "sk_cgrp_data.cgroup"],
  directory: ["cgroup", "kn"],
  id: ["kernfs_node", "id"],
} as const satisfies Record<string, readonly [struct: string, path: string]>;

const CGROUP_TYPES = {
  cgroup: ["cgroup", BTF_KIND.struct],
  directory: ["kernfs_node", BTF_KIND.struct],
} as const satisfies Record<string, readonly [name: string, kind: number]>;

const DETAIL_TYPES = {
  sock: ["sock", BTF_KIND.struct],
  tcp: ["tcp_sock", BTF_KIND.struct],
  file: ["socket_alloc", BTF_KIND.struct],
} as const satisfies Record<string, readonly [name: string, kind: number]>;

const TYPES = {
  socket: ["sock_common", BTF_KIND.struct],
  timeWait: ["inet_timewait_sock", BTF_KIND.struct],
  net: ["net", BTF_KIND.struct],
  bucket: ["inet_ehash_bucket", BTF_KIND.struct],
  cast: ["bpf_rdonly_cast", BTF_KIND.func],
  rcuLock: ["bpf_rcu_read_lock", BTF_KIND.func],
  rcuUnlock: ["bpf_rcu_read_unlock", BTF_KIND.func],
} as const satisfies Record<string, readonly [name: string, kind: number]>;

export interface DetailLayout {
  readonly offsets: Readonly<Record<keyof typeof DETAILS, number>>;
  readonly types: Readonly<Record<keyof typeof DETAIL_TYPES, number>>;
}

export interface CgroupLayout {
  readonly offsets: Readonly<Record<keyof typeof CGROUP, number>>;
  readonly types: Readonly<Record<keyof typeof CGROUP_TYPES, number>>;
}

export interface KernelLayout {
  /** Offsets in bytes. */
  readonly offsets: Readonly<Record<keyof typeof MEMBERS, number>>;
  /** Numbers of types in the kernel's BTF. */
  readonly types: Readonly<Record<keyof typeof TYPES, number>>;
  /** Undefined if any of them is missing. */
  readonly details: DetailLayout | undefined;
  /** Likewise. */
  readonly cgroup: CgroupLayout | undefined;
}

let known: KernelLayout | "unknown" | undefined;

/** Returns the layout; undefined if the kernel has no BTF, or if a member or function is missing from the BTF. */
export function readKernelLayout(): KernelLayout | undefined {
  known ??= withKernelBtf(wantedNames(), layoutOf) ?? "unknown";
  return known === "unknown" ? undefined : known;
}

function layoutOf(btf: Btf): KernelLayout | undefined {
  const find = <Member extends string, Type extends string>(
    members: Readonly<Record<Member, readonly [struct: string, path: string]>>,
    named: Readonly<Record<Type, readonly [name: string, kind: number]>>,
  ) => {
    const offsets = lookUp(members, ([struct, path]) => btf.offsetOf(struct, path));
    const types = lookUp(named, ([name, kind]) => btf.idOf(name, kind));
    return offsets && types && { offsets, types };
  };
  const layout = find(MEMBERS, TYPES);
  return layout && { ...layout, details: find(DETAILS, DETAIL_TYPES), cgroup: find(CGROUP, CGROUP_TYPES) };
}

function wantedNames(): BtfName[] {
  const structs = [MEMBERS, DETAILS, CGROUP].flatMap((members) => Object.values(members).map(([name]) => name));
  const types = [TYPES, DETAIL_TYPES, CGROUP_TYPES].flatMap((named) => Object.values(named));
  return [
    ...[...new Set(structs)].map((name) => ({ name, kind: BTF_KIND.struct })),
    ...types.map(([name, kind]) => ({ name, kind })),
  ];
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
