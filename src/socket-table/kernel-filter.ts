// Converts a query to the kernel's filters: a single port at each end in the request itself, and bytecode for
// everything else.
import type { DiagFilter, End } from "../linux/netlink/diag-filter.js";
import { hasIpv4, toZonedPrefixes, type ZonedPrefix } from "./prefixes.js";
import type { EndQuery, SocketQuery } from "./query.js";

/** Returns the query's conditions on addresses and ports for the kernel; undefined if there are none. */
export function toDiagFilter(query: SocketQuery): DiagFilter | undefined {
  const wildcards = query.wildcardListeners ?? false;
  const parts = [
    query.local && endFilter("local", withoutSinglePort(query.local), wildcards),
    query.remote && endFilter("remote", withoutSinglePort(query.remote), false),
    query.either && {
      any: [endFilter("local", query.either, wildcards), endFilter("remote", query.either, false)],
    },
  ].filter((part) => part !== undefined && !("all" in part && part.all.length === 0)) as DiagFilter[];
  return parts.length === 0 ? undefined : { all: parts };
}

/**
 * Returns the only port that matches at this end, or 0 if any port matches. The request has a field for it, which
 * is cheaper than bytecode.
 */
export function singlePort(end: EndQuery | undefined): number {
  const only = end?.ports?.length === 1 ? end.ports[0]! : undefined;
  return only && only.first === only.last ? only.first : 0;
}

function withoutSinglePort(end: EndQuery): EndQuery {
  return singlePort(end) === 0 ? end : { ...end, ports: undefined };
}

function endFilter(end: End, { ports, addresses, oneOf }: EndQuery, wildcards: boolean): DiagFilter {
  const all: DiagFilter[] = [];
  if (oneOf) all.push({ any: oneOf.map((each) => endFilter(end, each, wildcards)) });
  if (ports) all.push({ any: ports.map(({ first, last }) => ({ end, portFrom: first, portTo: last })) });
  if (addresses) {
    const prefixes: ZonedPrefix[] = addresses.flatMap(toZonedPrefixes);
    if (wildcards) {
      // Bytecode cannot determine whether a socket on :: accepts IPv4; see needsListenerTest().
      if (hasIpv4(addresses)) prefixes.push({ family: 4, prefix: new Uint8Array(4), prefixBits: 32 });
      prefixes.push({ family: 6, prefix: new Uint8Array(16), prefixBits: 128 });
    }
    all.push({ any: prefixes.map(({ zone, ...prefix }) => zoned({ end, ...prefix }, zone)) });
  }
  return { all };
}

function zoned(filter: DiagFilter, zone: string | undefined): DiagFilter {
  return zone === undefined ? filter : { all: [filter, { zone }] };
}

/**
 * Returns whether the bytecode accepts LISTEN sockets that do not listen on any of the query's addresses, so that
 * toTest() is needed too.
 */
export function needsListenerTest({ wildcardListeners, local, either }: SocketQuery): boolean {
  const ends = [local, either].flatMap((end) => (end ? [end, ...(end.oneOf ?? [])] : []));
  return wildcardListeners === true && ends.some(({ addresses }) => hasIpv4(addresses ?? []));
}
