// `fourtuple ports --list`: every socket a row, as fast as the reader takes them.
import { writeSync } from "node:fs";
import { columnsOf, fitText } from "../../output/terminal/columns.js";
import { type RowColumns, SocketRows } from "../../output/text/ports/socket-rows.js";
import type { SocketQuery } from "../../socket-table/query.js";
import { outputFailed } from "../output-error.js";
import { formatOwnersNote, formatReadNote } from "./notes.js";

const STDOUT = 1;
/** How long a full pipe that does not block is left alone. */
const FULL_PIPE_MS = 1;

/** @returns sockets printed; the reading ends early, and quietly, when nobody reads any more */
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

/** Asked beforehand, by a reading of no state at all: a row is printed before its reading has said where it comes from. */
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
    /** A ring that is not told matters where an owner is missing. */
    formatMissing: () => formatOwnersNote({ unreadable, isHiding, ringHolders: isMissing ? ringHolders : [] }),
  };
}

/** Standard output, written at once: while the pipe is full the reading of the table waits, and memory stays small. */
class Output {
  isClosed = false;

  write(piece: Buffer): void {
    const columns = columnsOf(process.stdout);
    // Rows come whole: on a terminal they are broken as any other line.
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
