// Names and indices of network interfaces (if_nametoindex(3)) in this thread's network namespace.
import { libc, NativeBuffer } from "./libc.js";

/** IF_NAMESIZE in net/if.h, including the terminating NUL. */
const NAME_BYTES = 16;

/**
 * @param zone a name or a number
 * @returns index, or 0 if the zone is neither an interface's name nor a number
 */
export function interfaceIndex(zone: string): number {
  const bytes = Buffer.from(`${zone}\0`);
  const index = bytes.length > NAME_BYTES ? 0 : libc.if_nametoindex(NativeBuffer.from(bytes).address);
  return index === 0 && /^\d{1,9}$/.test(zone) ? Number(zone) : index;
}

/** @returns undefined if no interface has this index */
export function interfaceName(index: number): string | undefined {
  const name = new NativeBuffer(NAME_BYTES);
  if (index <= 0 || Number(libc.if_indextoname(index, name.address)) === 0) return undefined;
  return name.bytes.toString("utf8", 0, name.bytes.indexOf(0));
}
