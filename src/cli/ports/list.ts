// Runs `fourtuple ports --list`: prints one row per socket, as fast as the reader takes them.
import { writeSync } from "node:fs";
import { columnsOf, fitText } from "../../output/terminal/columns.js";
import { type RowColumns, SocketRows } from "../../output/text/ports/socket-rows.js";
import type { SocketQuery } from "../../socket-table/query.js";
import { outputFailed } from "../output-error.js";
import { formatOwnersNote, formatReadNote } from "./notes.js";

const STDOUT = 1;
/** Time to sleep while a non-blocking pipe is full. */
const FULL_PIPE_MS = 1;

/**
 * Prints the matching sockets. Stops early, without an error, when nothing reads the output any more.
 *
 * @returns number of sockets printed
 */
export async function listSockets(
  query: SocketQuery,
  columns: { memory: boolean; process: boolean; header: boolean },
): Promise<number> {
  const { forEachSocket } = await import("../../socket-table/table.js");
  const output = new Output();
  const owners = columns.process ? await ownerTexts() : undefined;
  const rows = new SocketRows((piece) => output.write(piece), {
    memory: columns.memory,
    isFromProc: !(await hasNetlink()),
    ownerOf: owners?.textOf,
  });
  if (columns.header) rows.header();
  const read = await forEachSocket(query, (socket) => {
    rows.add(socket);
    return !output.isClosed;
  });
  rows.flush();
  await formatReadNote(read);
  await owners?.formatMissing();
  return read.sockets;
}

/**
 * Tests for netlink with a query that matches no state, because rows are printed before a pass can report which
 * source it used.
 */
async function hasNetlink(): Promise<boolean> {
  const { forEachSocket } = await import("../../socket-table/table.js");
  const requested = forEachSocket({ states: 0, source: "sock_diag" }, () => false);
  return requested.then(
    () => true,
    () => false,
  );
}

async function ownerTexts() {
  const { readOwners } = await import("../../socket-table/listeners/owners.js");
  const owners = await readOwners();
  let isMissing = false;
  const textOf: NonNullable<RowColumns["ownerOf"]> = (inode) => {
    if (inode === 0) return "-";
    const owner = owners.ownerOf(inode);
    isMissing ||= owner === undefined;
    return owner ? `${owner.command} ${owner.pid}` : "not visible";
  };
  const { unreadable, isHiding, ringHolders } = owners;
  return {
    textOf,
    /** If an owner is missing, also list processes with an io_uring, whose rings may hold the socket. */
    formatMissing: () => formatOwnersNote({ unreadable, isHiding, ringHolders: isMissing ? ringHolders : [] }),
  };
}

/**
 * Synchronous writer for standard output. While the pipe is full, the pass over the table waits, so memory use stays
 * small.
 */
class Output {
  isClosed = false;

  write(piece: Buffer): void {
    const columns = columnsOf(process.stdout);
    // A chunk consists of whole rows. On a terminal, long rows wrap like any other line.
    this.writeAll(columns === undefined ? piece : Buffer.from(fitText(piece.toString(), columns)));
  }

  private writeAll(piece: Buffer): void {
    for (let at = 0; at < piece.length && !this.isClosed; ) {
      try {
        at += writeSync(STDOUT, piece, at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EPIPE") this.isClosed = true;
        else if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS);
        else throw outputFailed(error as NodeJS.ErrnoException);
      }
    }
  }
}
