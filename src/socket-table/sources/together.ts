// Reads the table once for several summaries, because reading takes longer than counting.
import { isDeepStrictEqual } from "node:util";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { KnownListeners } from "../listeners/listeners.js";
import type { SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import { readTable, type SocketVisit, type TableRead } from "../table.js";
import { GroupSink, type GroupVisitor } from "./groups.js";

/** A collector: counts the sockets that match its query. */
export interface SummaryPart {
  readonly query: SocketQuery;
  /** Returns the visitor for a new attempt, and discards the previous attempt; see readTable(). */
  begin(): SocketVisit;
  /** Absent if the collector needs each socket. */
  readonly groups?: GroupVisitor | undefined;
}

/**
 * Reads the table for all collectors.
 *
 * @param known if given, a large table is counted in groups if all collectors accept them
 * @param cover query that matches at least the sockets that the collectors need
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function readTogether(
  cover: SocketQuery,
  parts: readonly SummaryPart[],
  known?: KnownListeners,
): Promise<TableRead> {
  const tests = parts.map(({ query }) => (isDeepStrictEqual(query, cover) ? undefined : toTest(query, interfaceIndex)));
  const begin = (): SocketVisit => {
    const visits = parts.map((part, i) => guarded(part.begin(), tests[i]));
    if (visits.length === 1) return visits[0]!;
    return (socket) => {
      for (const visit of visits) visit(socket);
    };
  };
  return readTable(cover, begin, undefined, known && sinkOf(cover, parts, known));
}

function sinkOf(cover: SocketQuery, parts: readonly SummaryPart[], known: KnownListeners): GroupSink | undefined {
  const grouped = parts.flatMap(({ query, groups }) => (groups ? [{ query, groups }] : []));
  return grouped.length === parts.length && !cover.memory ? GroupSink.of(cover, grouped, known) : undefined;
}

function guarded(visit: SocketVisit, test: ReturnType<typeof toTest> | undefined): SocketVisit {
  if (!test) return visit;
  return (socket) => {
    // Returning false would end the reading.
    if (test(socket)) visit(socket);
  };
}
