// Everything that grows with the number of connections, in one place. All of it is in typed arrays, outside of a worker's heap of some
// megabytes; arrays double while they grow, and pages that nothing was written to take no memory.

/** Bytes for each slot, by class and field. A test holds the classes to it. */
export const SLOT_BYTES = {
  ConnectionTable: { states: 1, places: 4 },
  /** Once connections were closed. */
  FreeSlots: { slots: 4 },
  /** In rings, in place of these two; `stack` once connections were closed. */
  Slots: { bits: 2, lives: 1, stack: 4 },
  /** Clients in rings; `passed` once a 4-tuple was in use already. */
  Openings: { numbers: 4, passed: 4 },
  /** Up to the highest slot that ever had more to do than its share of a turn. */
  SlotQueue: { slots: 4, isQueued: 1 },
  /** Clients only. */
  LossStats: { establishedMs: 4 },
  /** Clients only; `bySlot` where there are several destinations. */
  ClientEvents: { startedMs: 8 },
  TupleCursor: { bySlot: 2 },
  /** Clients with messages only, and what their protocol keeps: `matched` and `strays` where an echo is expected. */
  Rounds: { next: 8, waiting: 4, marks: 1 },
  EchoClient: { marks: 1, matched: 4, strays: 4 },
  WebSocketClient: { flags: 1, left: 4, sizes: 4, utf8: 1, missed: 1 },
  WebSocketServer: { flags: 1, left: 4, sizes: 4, utf8: 1, missed: 1, keys: 4 },
  /** Servers of a protocol with a handshake. */
  PendingHandshakes: { beganMs: 4 },
  /** Up to the highest slot that was to be closed while it had something to send. */
  Exchange: { ending: 1 },
  /** Up to the highest slot that had to wait with a greeting or a message. */
  Outgoing: { positions: 4 },
  /** Up to the highest slot that had to wait with other bytes. What they hold has one bound for all: see the class. */
  Unsent: { chunks: 4 },
} as const;

// Beside these, bounded for each thread: a file table of 400 bytes and a ring for up to 16,384 parked connections.
