// Parses names of TCP states: those of RFC 9293, ss and netstat, and groups of states as in ss.

import { TCP_STATE_NAMES } from "../../results/identifiers.js";
import type { TcpState } from "../../results/sockets/socket-table.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { editDistance } from "../../util/suggestions/edit-distance.js";

/** Names used by ss and netstat. */
const ALIASES: Readonly<Record<string, TcpState>> = {
  ESTAB: "ESTABLISHED",
  LISTENING: "LISTEN",
  SYNSENT: "SYN_SENT",
  SYNRECV: "SYN_RECV",
  FIN_WAIT_1: "FIN_WAIT1",
  FIN_WAIT_2: "FIN_WAIT2",
  TIMEWAIT: "TIME_WAIT",
  CLOSED: "CLOSE",
  UNCONN: "CLOSE",
  LASTACK: "LAST_ACK",
};
/** Groups of states as defined by ss (ss(8), STATE-FILTER). */
const GROUPS: Readonly<Record<string, readonly TcpState[]>> = {
  ALL: TCP_STATE_NAMES,
  CONNECTED: without("LISTEN", "CLOSE"),
  SYNCHRONIZED: without("LISTEN", "CLOSE", "SYN_SENT"),
  BUCKET: ["SYN_RECV", "TIME_WAIT"],
  BIG: without("SYN_RECV", "TIME_WAIT"),
};
const EVERY_NAME = [...TCP_STATE_NAMES, ...Object.keys(ALIASES), ...Object.keys(GROUPS)];

/** Parses a list such as `established,time-wait` and appends it to the preceding states. */
export function addStates(text: string, before: readonly TcpState[] = []): TcpState[] {
  return [...new Set([...before, ...text.split(",").flatMap(parseState)])];
}

function parseState(text: string): readonly TcpState[] {
  const name = text.trim().toUpperCase().replaceAll("-", "_");
  const found = TCP_STATE_NAMES.find((state) => state === name) ?? ALIASES[name];
  const states = found ? [found] : GROUPS[name];
  if (states) return states;
  const nearest = nearestName(name);
  const groups = Object.keys(GROUPS).map((group) => group.toLowerCase());
  const lists = `the states are ${TCP_STATE_NAMES.join(", ")}; the groups are ${groups.join(", ")}`;
  throw new AppError("E_OPTION", `unknown TCP state: --state ${quoted(text.trim())}`, {
    fix: nearest ? `did you mean ${nearest}? ${capitalized(lists)}` : lists,
  });
}

/**
 * Returns a name that starts with `name`, or differs from it in at most a third of its letters; undefined if there is
 * none.
 */
function nearestName(name: string): string | undefined {
  if (name.length < 2) return undefined;
  const begun = EVERY_NAME.filter((known) => known.startsWith(name));
  if (begun.length > 0) return shown(begun[0]!);
  const [best] = EVERY_NAME.map((known) => ({ known, letters: editDistance(known, name) })).sort(
    (a, b) => a.letters - b.letters,
  );
  return best!.letters <= Math.max(1, Math.floor(name.length / 3)) ? shown(best!.known) : undefined;
}

function without(...names: readonly TcpState[]): readonly TcpState[] {
  return TCP_STATE_NAMES.filter((state) => !names.includes(state));
}

/** Resolves an alias to its state, and puts group names in lower case as in ss. */
function shown(name: string): string {
  return name in GROUPS ? name.toLowerCase() : (ALIASES[name] ?? name);
}

function capitalized(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}`;
}
