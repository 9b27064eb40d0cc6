// Reads the table once for several summaries, because reading takes longer than counting.
import { isDeepStrictEqual } from "node:util";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import { readTable, type SocketVisit, type TableRead } from "../table.js";

/** A collector: counts the sockets that match its query. */
export interface SummaryPart {
  readonly query: SocketQuery;
  /** Returns the visitor for a new attempt, and discards the previous attempt; see readTable(). */
  begin(): SocketVisit;
}

/**
 * Reads the table for all collectors.
 *
 * @param cover query that matches at least the sockets that the collectors need
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function readTogether(cover: SocketQuery, parts: readonly SummaryPart[]): Promise<TableRead> {
  const tests = parts.map(({ query }) => (isDeepStrictEqual(query, cover) ? undefined : toTest(query, interfaceIndex)));
  return readTable(cover, () => {
    const visits = parts.map((part, i) => guarded(part.begin(), tests[i]));
    if (visits.length === 1) return visits[0]!;
    return (socket) => {
      for (const visit of visits) visit(socket);
    };
  });
}

function guarded(visit: SocketVisit, test: ReturnType<typeof toTest> | undefined): SocketVisit {
  return test ? (socket) => test(socket) && visit(socket) : visit;
}
