// Mutants of the code that needs sockets, threads and a kernel: each is a small mistake with real consequences, with
// the test that must detect it.

/**
 * One mistake: replaces the only occurrence of `find` in `file` by `replace`. A test in the file `test` must then fail;
 * `only` restricts it to tests whose name contains that text.
 *
 * @typedef {{ name: string, file: string, find: string, replace: string, test: string, only?: string }} Mutant
 */

/** @type {Mutant[]} */
const OPENING = [
  {
    name: "connectTimeoutMs is ignored",
    file: "src/client/workers.ts",
    find: "connectTimeoutMs: settings.connectTimeoutMs,",
    replace: "connectTimeoutMs: 10_000,",
    test: "test/client/connect.test.ts",
    only: "with a silent destination ends at the timeout",
  },
  {
    name: "each port passed over leaks a descriptor",
    file: "src/transport/kernel-epoll/connector.ts",
    find: "      if (bound < 0) {\n        closeFd(fd);",
    replace: "      if (bound < 0) {",
    test: "test/transport/kernel-epoll/connector.test.ts",
    only: "keeps no descriptor",
  },
  {
    name: "each 4-tuple that exists already leaks a descriptor",
    file: "src/transport/kernel-epoll/connector.ts",
    find: "result !== -EINPROGRESS) {\n        closeFd(fd);",
    replace: "result !== -EINPROGRESS) {",
    test: "test/transport/kernel-epoll/connector.test.ts",
    only: "keeps no descriptor of a 4-tuple",
  },
  {
    name: "a 4-tuple for which there was no socket is lost",
    file: "src/client/tuple-cursor.ts",
    find: "this.unused = tuple;",
    replace: "this.unused = Math.min(tuple, -1);",
    test: "test/transport/kernel-epoll/connector-short.test.ts",
  },
  {
    name: "a socket connects to itself",
    file: "src/client/tuple-cursor.ts",
    find: "return sourcePort === to.port &&",
    replace: "return sourcePort === -1 &&",
    test: "test/client/connect.test.ts",
    only: "never connect a socket to itself",
  },
  {
    name: "the patience for greetings never ends",
    file: "src/client/ramp/greetings.ts",
    find: "const GRACE_MS = 1000;",
    replace: "const GRACE_MS = Number.POSITIVE_INFINITY;",
    test: "test/client/ramp/greetings.test.ts",
    only: "that are required are awaited on each connection, for a second at most",
  },
  {
    name: "closed connections count as begun, so that a schedule never goes up again",
    file: "src/client/loop.ts",
    find: "counters[COUNTER.retired]! += 1;",
    replace: "counters[COUNTER.retired]! += 0;",
    test: "test/client/connect.test.ts",
    only: "rises again after falling",
  },
  {
    name: "what is left of a connection's share of a turn is never read",
    file: "src/client/loop.ts",
    find: "  resumed: 64,",
    replace: "  resumed: 0,",
    test: "test/client/flood.test.ts",
    only: "does not keep a run from ending",
  },
  {
    name: "a ramp that nobody answers is never given up",
    file: "src/client/ramp/give-up.ts",
    find: "const TIMEOUTS_ENOUGH = { least: 8, most: 64 };",
    replace: "const TIMEOUTS_ENOUGH = { least: 1e9, most: 1e9 };",
    test: "test/client/ramp/give-up.test.ts",
  },
];

/** @type {Mutant[]} */
const HOLDING = [
  {
    name: "losses have errno 0",
    file: "src/client/events.ts",
    find: "this.worker.memory.countFailure(STEP.hold, errno);",
    replace: "this.worker.memory.countFailure(STEP.hold, errno * 0);",
    test: "test/client/connect.test.ts",
    only: "with a server that resets connections is counted by errno",
  },
  {
    name: "a lost connection stays counted as open",
    file: "src/client/events.ts",
    find: "    this.counters[COUNTER.open]! -= 1;\n    this.counters[COUNTER.lost]! += 1;",
    replace: "    this.counters[COUNTER.lost]! += 1;",
    test: "test/client/connect.test.ts",
    only: "with a server that closes everything during the hold",
  },
  {
    name: "peakOpen is overwritten by a lower value",
    file: "src/client/phases.ts",
    find: "Math.max(this.#state.peakOpen, sample.open)",
    replace: "sample.open",
    test: "test/client/connect.test.ts",
    only: "has a peak at both ends, which does not depend on what is open later",
  },
  {
    name: "one missing connection is none",
    file: "src/client/verdict/verdict.ts",
    find: "found.filter(({ count }) => count > 0)",
    replace: "found.filter(({ count }) => count > 1)",
    test: "test/client/verdict/verdict.test.ts",
    only: "is met by exactly the requested number",
  },
  {
    name: "all that were asked for are not enough",
    file: "src/client/verdict/misses.ts",
    find: ": Math.max(requested - established, 0);",
    replace: ": Math.max(requested - established + 1, 0);",
    test: "test/client/verdict/verdict.test.ts",
    only: "is met by exactly the requested number",
  },
  {
    name: "the memory floor is never reached",
    file: "src/engine/memory-floor.ts",
    find: "return roomAboveFloor(room) < 0;",
    replace: "return roomAboveFloor(room) < Number.NEGATIVE_INFINITY;",
    test: "test/engine/memory-floor.test.ts",
    only: "is reached just below it, and not at it",
  },
  {
    name: "a ramp does not stop at the memory floor",
    file: "src/client/ramp/guard.ts",
    find: "if (isBelowFloor(room)) state.memoryStop = room;\n    else if",
    replace: "if (isBelowFloor(room)) state.memoryStop = undefined;\n    else if",
    test: "test/engine/memory-floor.test.ts",
  },
  {
    name: "parked connections are not reset",
    file: "src/transport/kernel-epoll/connection-table.ts",
    find: "if (this.options.resetsParked) resetOnClose(fd);",
    replace: "if (this.options.resetsParked && fd < 0) resetOnClose(fd);",
    test: "test/transport/kernel-epoll/connection-table.test.ts",
    only: "end with RST on request",
  },
  {
    name: "parked connections keep their descriptors",
    file: "src/transport/kernel-epoll/connection-table.ts",
    find: "      this.places[slots[i]!] = first - i;\n      closeFd(fds[i]!);",
    replace: "      this.places[slots[i]!] = first - i;",
    test: "test/transport/kernel-epoll/connection-table.test.ts",
    only: "need no descriptor",
  },
  {
    name: "a slot is used again while events of the same batch still name it",
    file: "src/transport/kernel-epoll/free-slots.ts",
    find: "    this.freed++;\n",
    replace: "    this.free++;\n",
    test: "test/transport/kernel-epoll/connection-table.test.ts",
    only: "are not reused while events",
  },
];

/** @type {Mutant[]} */
const MESSAGES = [
  {
    name: "waits are a thousand times too short, and the message loop spins",
    file: "src/linux/syscalls/epoll.ts",
    find: "const seconds = Math.floor(timeoutMs / 1000);",
    replace: "timeoutMs /= 1000;\n    const seconds = Math.floor(timeoutMs / 1000);",
    test: "test/client/loop.test.ts",
  },
  {
    name: "the loop never sleeps until the next message",
    file: "src/client/messages/sender.ts",
    find: "return Math.max(0, dueMs - performance.now());",
    replace: "return Math.min(0, dueMs - performance.now());",
    test: "test/client/loop.test.ts",
    only: "waits for the next message without spinning",
  },
  {
    name: "answers that came together are all timed from the first one's message",
    file: "src/client/messages/answers.ts",
    find: "rounds.dueMs(schedule, round++, slot)",
    replace: "rounds.dueMs(schedule, round, slot)",
    test: "test/client/messages/sender.test.ts",
  },
  {
    name: "latency counts from the sending (coordinated omission)",
    file: "src/client/messages/answers.ts",
    find: "(nowMs - rounds.dueMs(schedule, round++, slot)) * 1000",
    replace: "(nowMs - Math.max(rounds.dueMs(schedule, round++, slot), nowMs - 1)) * 1000",
    test: "test/client/messages/sender.test.ts",
  },
  {
    name: "a message that the kernel took in part is begun anew",
    file: "src/engine/sending/outgoing.ts",
    find: "this.positions[slot] = next + 1;",
    replace: "this.positions[slot] = start + 1;",
    test: "test/client/messages/sender.test.ts",
  },
  {
    name: "what was due and not sent at the end is not counted as due",
    file: "src/client/messages/sender.ts",
    find: "+= Math.max(0, this.lastRound(slot) - counted);",
    replace: "+= 0 * Math.max(0, this.lastRound(slot) - counted);",
    test: "test/client/messages/sender.test.ts",
  },
  {
    name: "answers that trickle in are waited for without end",
    file: "src/client/messages/drain.ts",
    find: "if (waitedMs > graceMs) return;",
    replace: "if (waitedMs > 60 * graceMs) return;",
    test: "test/client/messages/messages.test.ts",
    only: "are waited for at most a second",
  },
];

/** @type {Mutant[]} */
const SERVING = [
  {
    name: "one connection more than the maximum is let in",
    file: "src/server/events.ts",
    find: "if (open > this.plan.maxConnections) {",
    replace: "if (open > this.plan.maxConnections + 1) {",
    test: "test/server/serve.test.ts",
    only: "above the maximum are closed at once",
  },
  {
    name: "a rejected connection takes its place for ever",
    file: "src/server/events.ts",
    find: "      Atomics.sub(this.shared, SHARED.open, 1);\n      return false;",
    replace: "      return false;",
    test: "test/server/serve.test.ts",
    only: "above the maximum are closed at once",
  },
  {
    name: "a full descriptor table makes the server spin",
    file: "src/transport/kernel-epoll/server.ts",
    find: "    this.listen(false);\n    this.retryAtMs",
    replace: "    this.retryAtMs",
    test: "test/server/serve.test.ts",
    only: "leaves the rest in the accept queue, without spinning",
  },
  {
    name: "a reset by the peer is a failure",
    file: "src/server/events.ts",
    find: "    if (errno === ECONNRESET) this.counters",
    replace: "    if (errno === -ECONNRESET) this.counters",
    test: "test/server/serve.test.ts",
    only: "that are reset count as closed, not as failures",
  },
  {
    name: "what is kept for peers that do not read has no bound",
    file: "src/engine/sending/chunks.ts",
    find: "return this.freeCount > 0 && Atomics.load(this.shared, this.word) < BLOCKS;",
    replace: "return this.freeCount > 0;",
    test: "test/engine/sending/unsent.test.ts",
  },
  {
    name: "a failure of an errno beyond the table is written into the next step's",
    file: "src/engine/worker-memory.ts",
    find: "this.failureCounts[phase * ERRNO_LIMIT + (errno < ERRNO_LIMIT ? errno : 0)]! += 1;",
    replace: "this.failureCounts[phase * ERRNO_LIMIT + errno]! += 1;",
    test: "test/engine/worker-memory.test.ts",
  },
];

/** @type {Mutant[]} */
const PORTS = [
  {
    name: "LAST_ACK and CLOSING are swapped",
    file: "src/results/identifiers.ts",
    find: '  "LAST_ACK",\n  "LISTEN",\n  "CLOSING",',
    replace: '  "CLOSING",\n  "LISTEN",\n  "LAST_ACK",',
    test: "test/linux/netlink/diag-socket.test.ts",
  },
  {
    name: "IPv4-mapped sockets are counted as IPv6",
    file: "src/socket-table/aggregate/aggregate.ts",
    find: "else if (socket.remoteIpv4 >= 0) this.mapped++;",
    replace: "else if (socket.remoteIpv4 > 2 ** 32) this.mapped++;",
    test: "test/socket-table/aggregate/aggregate.test.ts",
  },
  {
    name: "accepted connections are counted as outgoing",
    file: "src/socket-table/aggregate/aggregate.ts",
    find: "if (this.listening.hasAccepted(socket, localId)) {",
    replace: "if (!this.listening.hasAccepted(socket, localId)) {",
    test: "test/socket-table/summary.test.ts",
    only: "has the same summary",
  },
  {
    name: "sockets in TIME_WAIT are counted as ESTABLISHED",
    file: "src/socket-table/aggregate/aggregate.ts",
    find: "else if (state === TCP_TIME_WAIT) this.timeWait.add(id);",
    replace: "else if (state === TCP_TIME_WAIT) this.established.add(id + 0 * this.timeWait.get(id));",
    test: "test/socket-table/aggregate/aggregate.test.ts",
  },
  {
    name: "a listener on :: has accepted no IPv4",
    file: "src/socket-table/listeners/listeners.ts",
    find: "if (socket.family === 6 && !socket.isV6Only) this.ports[port]! |= ON_ANY_MAPPED;",
    replace: "if (socket.family === 6 && socket.isV6Only) this.ports[port]! |= ON_ANY_MAPPED;",
    test: "test/socket-table/listeners.test.ts",
  },
  {
    name: "the last address of a range does not match",
    file: "src/socket-table/socket-test.ts",
    find: "return low > 0 && ipv4 <= this.lasts[low - 1]!;",
    replace: "return low > 0 && ipv4 < this.lasts[low - 1]!;",
    test: "test/socket-table/listeners.test.ts",
  },
];

/** @type {Mutant[]} */
const REASONS = [
  {
    name: "an errno has a wrong number",
    file: "src/linux/syscalls/errno.ts",
    find: "export const EADDRNOTAVAIL = 99;",
    replace: "export const EADDRNOTAVAIL = 100;",
    test: "test/linux/syscalls/errno.test.ts",
  },
  {
    name: "the rarest failure decides the diagnosis",
    file: "src/diagnosis/client.ts",
    find: "sort((a, b) => b.count - a.count)[0]",
    replace: "sort((a, b) => a.count - b.count)[0]",
    test: "test/diagnosis/explain.test.ts",
  },
  {
    name: "a full accept queue is told as a full SYN queue",
    file: "src/diagnosis/rules/accept-queue.ts",
    find: "> 0 && overflows(evidence.deltas) === 0;",
    replace: "> 0 || overflows(evidence.deltas) > 0;",
    test: "test/diagnosis/explain.test.ts",
  },
  {
    name: "a server that went on accepting has a maximum",
    file: "src/diagnosis/rules/accept-queue.ts",
    find: "if (!accepting || accepting.waiting === 0 || accepting.isMoving) return undefined;",
    replace: "if (!accepting || accepting.waiting === 0) return undefined;",
    test: "test/diagnosis/explain.test.ts",
  },
];

/** @type {Mutant[]} */
const COMMANDS = [
  {
    name: "the second of two signals within a moment ends at once, and the result is lost",
    file: "src/cli/signals.ts",
    find: "const ONE_REQUEST_MS = 500;",
    replace: "const ONE_REQUEST_MS = 0;",
    test: "test/cli/signals.test.ts",
    only: "SIGINT twice within milliseconds",
  },
  {
    name: "nohup is not noticed",
    file: "src/cli/signals.ts",
    find: "const SIGHUP_BIT = 1n;",
    replace: "const SIGHUP_BIT = 1n << 40n;",
    test: "test/cli/signals.test.ts",
    only: "a hang-up",
  },
  {
    name: "a page that was private becomes readable",
    file: "src/cli/files/replace-file.ts",
    find: "  fchmodSync(fd, Number(mode) & 0o7777);",
    replace: "  fchmodSync(fd, (Number(mode) & 0o7777) | 0o044);",
    test: "test/cli/files/output.test.ts",
    only: "keeps the mode and owner",
  },
  {
    name: "a disk that is full leaves the half of a page behind",
    file: "src/cli/files/replace-file.ts",
    find: "  } catch (error) {\n    unlinkSync(file);\n    throw error;",
    replace: '  } catch (error) {\n    if (file === "") unlinkSync(file);\n    throw error;',
    test: "test/cli/files/output.test.ts",
    only: "a page",
  },
  {
    name: "a hard link to the result is overwritten",
    file: "src/cli/files/output.ts",
    find: "if (read === undefined || read.dev !== present.dev || read.ino !== present.ino) return;",
    replace: "if (read === undefined || read.dev !== present.dev || file !== input) return;",
    test: "test/cli/files/output.test.ts",
    only: "a hard link",
  },
];

export const MUTANTS = [...OPENING, ...HOLDING, ...MESSAGES, ...SERVING, ...PORTS, ...REASONS, ...COMMANDS];
