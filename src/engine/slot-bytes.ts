// Lists everything that grows with the number of connections. All of this state lives in typed arrays outside a
// worker's heap of a few megabytes. Arrays double as they grow, and pages never written take no memory.

/** Number of bytes per slot, by class and field. A test checks the classes against this table. */
export const SLOT_BYTES = {
  ConnectionTable: { states: 1, places: 4 },
  /** These arrays exist only after connections have been closed. */
  FreeSlots: { slots: 4 },
  /** With io_uring only, instead of the two entries above; `stack` exists only after connections have been closed. */
  Slots: { bits: 2, lives: 1, stack: 4 },
  /** Only in clients with io_uring; `passed` exists only after a 4-tuple turned out to be in use. */
  Openings: { numbers: 4, passed: 4 },
  /** The array extends to the highest slot that ever exceeded its share of a turn. */
  SlotQueue: { slots: 4, isQueued: 1 },
  /** Clients only. */
  LossStats: { establishedMs: 4 },
  /** In clients only; `bySlot` exists only with several destinations. */
  ClientEvents: { startedMs: 8 },
  TupleCursor: { bySlot: 2 },
  /**
   * Only in clients with messages, including their protocol's state; `matched` and `strays` exist only if an echo is
   * expected.
   */
  Rounds: { next: 8, waiting: 4, marks: 1 },
  EchoClient: { marks: 1, matched: 4, strays: 4 },
  /** FramedAnswerClient has one of these instead of the arrays of EchoClient. */
  DelimitedEnd: { matched: 1 },
  SizedEnd: { filled: 4 },
  WebSocketClient: { flags: 1, left: 4, sizes: 4, utf8: 1, missed: 1 },
  WebSocketServer: { flags: 1, left: 4, sizes: 4, utf8: 1, missed: 1, keys: 4 },
  MqttClient: { flags: 1, left: 4, pending: 4, numbers: 4, sequences: 4, inFlight: 2, dueUs: 8, missed: 1 },
  MqttServer: { flags: 1, left: 4, pending: 4, patience: 2, silence: 2 },
  HttpClient: { flags: 1, states: 1, left: 8, digits: 1, waits: 1 },
  HttpServer: { flags: 1, states: 1, left: 8, digits: 1, sizes: 4, beats: 1 },
  /** Only in servers, and in clients without TLS. The array extends to the highest slot that ever received bytes. */
  FirstReads: { bits: 1 / 8 },
  /** Only in servers of a protocol with a handshake. */
  PendingHandshakes: { beganMs: 4 },
  /** Only in servers that expect PROXY protocol headers. */
  ProxiedServer: { waits: 1 },
  /** Only in servers with TLS, in those that expect PROXY protocol headers, and in clients that reopen connections. */
  Deadlines: { dueMs: 8, previous: 4, next: 4 },
  /** The array extends to the highest slot ever closed while it had unsent bytes. */
  PendingCloses: { marks: 1 },
  /** The arrays extend to the highest slot that ever had an unsent greeting or message. */
  Outgoing: { positions: 4 },
  /**
   * The arrays extend to the highest slot that ever had other unsent bytes, whose total size is bounded (see the
   * class).
   */
  Unsent: { chunks: 4 },
} as const;

// In addition, each thread has a file table of 400 bytes and a ring for up to 16,384 parked connections, which are
// bounded.
