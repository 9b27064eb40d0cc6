// Names network namespaces in metrics, and makes the metric families that describe them.
import type { NamespaceRow } from "../../results/sockets/namespaces.js";
import { described, type Family, filled, gauge, only, type Sample } from "./families.js";

const PREFIX = "fourtuple";
/** Label value of what is summed; no namespace is called this. */
const OTHER = "other";

const NAMESPACES = {
  netns_info: gauge(
    "Always 1; identifies a network namespace: name from ip netns, host name, and container, pod or unit.",
    ...["netns", "inode", "name", "hostname", "group"],
  ),
  netns_read: gauge("Network namespaces that were read."),
  netns_refused: gauge("Network namespaces that could not be entered."),
  netns_unreadable_processes: gauge("Processes whose network namespace could not be read."),
};

export const NAMESPACES_FAMILIES = described(PREFIX, NAMESPACES);

type Identity = Pick<NamespaceRow, "inode" | "isOwn" | "names" | "hostname" | "group">;

export interface NamespacesValues {
  /** The namespaces to identify. */
  readonly named: readonly (Identity & { readonly netns: string | undefined })[];
  readonly read: number;
  readonly refused: number;
  readonly unreadable: number;
}

export function namespacesFamilies({ named, read, refused, unreadable }: NamespacesValues): Family[] {
  return filled(PREFIX, NAMESPACES, {
    netns_info: named.map(({ netns = "", inode, names, hostname = "", group = "" }): Sample => {
      return [{ netns, inode, name: names[0] ?? "", hostname, group }, 1];
    }),
    netns_read: only(read),
    netns_refused: only(refused),
    netns_unreadable_processes: only(unreadable),
  });
}

/**
 * Returns a different name for each namespace: its host name, its name from `ip netns`, that of its cgroup, or else its
 * inode, which is also added to names that several share; undefined for this process's own namespace.
 */
export function netnsNames(namespaces: readonly Identity[]): (string | undefined)[] {
  const plain = namespaces.map(({ isOwn, hostname, names, group }) =>
    isOwn ? undefined : (hostname ?? names[0] ?? group),
  );
  return namespaces.map(({ inode, isOwn }, index) => {
    if (isOwn) return undefined;
    const name = plain[index];
    if (name === undefined) return `net:[${inode}]`;
    const isTaken = name === OTHER || plain.indexOf(name) !== plain.lastIndexOf(name);
    return isTaken ? `${name} net:[${inode}]` : name;
  });
}
