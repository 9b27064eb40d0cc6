// Network interfaces by name and by number (man 3 if_nametoindex), of this thread's network namespace.
import { libc, NativeBuffer } from "./libc.js";

/** IF_NAMESIZE of net/if.h, the final zero included. */
const NAME_BYTES = 16;

/** @param zone a name, else a number @returns 0 when there is no interface of that name, nor is it a number */
export function interfaceIndex(zone: string): number {
  const bytes = Buffer.from(`${zone}\0`);
  const index = bytes.length > NAME_BYTES ? 0 : libc.if_nametoindex(NativeBuffer.from(bytes).address);
  return index === 0 && /^\d{1,9}$/.test(zone) ? Number(zone) : index;
}

/** @returns undefined when no interface has the number */
export function interfaceName(index: number): string | undefined {
  const name = new NativeBuffer(NAME_BYTES);
  if (index <= 0 || Number(libc.if_indextoname(index, name.address)) === 0) return undefined;
  return name.bytes.toString("utf8", 0, name.bytes.indexOf(0));
}
