// Explains unanswered or unsent messages and missed thresholds of a run whose connections were fine, and connections
// that ended because their messages could not be stored until the peer read them.

import { missPhrases } from "../../client/verdict/verdict.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { MessageResult } from "../../results/messages.js";
import type { Miss, MissKind } from "../../results/outcome.js";
import { describeProcess, howToGoOn } from "../../socket-table/listeners/peer-process.js";
import { formatBytes, formatCount } from "../../util/units.js";
import { countPressures, explainPressures, seen } from "./local-errors.js";
import { explainUnrepeated } from "./protocols/http.js";
import { explainUnacknowledged } from "./timeouts/unacknowledged.js";

const THRESHOLDS: readonly MissKind[] = ["failures", "rate", "latency"];

/** @returns undefined if the run missed neither messages nor a threshold */
export function explainMessages(result: ConnectResult): Finding | undefined {
  const { messages, misses = [] } = result;
  const of = (kind: MissKind) => misses.find((miss) => miss.kind === kind);
  const undelivered = of("undelivered");
  const stopped = (undelivered || of("unanswered")) && explainStoppedServer(result);
  if (stopped) return stopped;
  if (messages && (of("unanswered") || of("unsent"))) {
    const lost = explainUnacknowledged(result, [
      of("unanswered") ? describeAnswered(messages) : describeUnsent(messages),
    ]);
    if (lost) return lost;
  }
  if (undelivered) return explainUndelivered(undelivered, result);
  if (messages && of("unanswered")) return explainUnrepeated(result) ?? explainUnanswered(result, messages);
  if (messages && of("unsent")) return explainUnsent(messages);
  const passed = misses.filter(({ kind }) => THRESHOLDS.includes(kind));
  if (passed.length === 0) return undefined;
  return {
    limit: "threshold",
    whose: "local",
    meaning: `the run did not meet a threshold: ${missPhrases(passed).join("; ")}`,
    fix: "see the figures above, or change the threshold (--max-p99, --min-rate, --max-failed)",
    evidence: [],
  };
}

/** @returns undefined for other failures */
export function explainFullBuffers(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (failure.errno === "SEND_QUEUE_FULL") {
    const slowServer = peer(
      "the server reads more slowly than the run sends: fourtuple stores 64 KiB for a connection, and the kernel took no more",
      "lower the rate (-r), or check why the server does not read",
      [seen(failure)],
    );
    if (!result.script) return slowServer;
    return [
      { ...slowServer, test: "the server's receive queues are full (ss -tn: Recv-Q)" },
      {
        limit: "handler",
        whose: "local",
        meaning:
          "a handler sends more at once than a connection takes: what the kernel's send buffer holds, and 64 KiB more",
        fix: "send less at once, and the rest when an answer has arrived",
        evidence: [seen(failure)],
        test: "even a single connection fails (-c 1)",
      },
    ];
  }
  if (failure.errno !== "BUFFERS_FULL") return undefined;
  if (countPressures(result) > 0) return explainPressures(result, failure);
  return {
    limit: "send-buffers",
    whose: "local",
    meaning: "too many connections had unsent data at the same time: fourtuple stores 64 MiB for all of them",
    fix: "lower the rate (-r), or check why the server does not read; if it does, the kernel may be short of memory for sockets (the container's memory limit, net.ipv4.tcp_mem)",
    evidence: [seen(failure)],
  };
}

function explainUndelivered({ count, of }: Miss, { messages, deliveries }: ConnectResult): Finding {
  const { lost = 0, undelivered = 0 } = deliveries ?? {};
  const facts = [`${formatCount(of - count)} of ${formatCount(of)} messages were delivered`];
  if (messages) facts.push(describeSent(messages));
  if (undelivered > 0) {
    facts.push(
      `${formatCount(undelivered)} had not arrived at the end, although the run waited one second after the last message`,
    );
  }
  if (lost > 0 || undelivered === 0) {
    return peer(
      "the broker dropped messages: subscribers took them more slowly than they were published",
      "lower the rate (-r), or make the broker's queues longer (mosquitto: max_queued_messages, max_inflight_messages)",
      facts,
    );
  }
  return peer(
    "the broker did not deliver the last messages: it dropped them, or is behind",
    "lower the rate (-r), or check the broker's queues and log",
    facts,
  );
}

function describeSent({ sent, answered, expected }: MessageResult): string {
  const published = `${formatCount(sent)} published`;
  return expected === "none" ? published : `${published}, ${formatCount(answered)} answered`;
}

/** @returns undefined if the server's process is not on this host, or runs */
function explainStoppedServer({ evidence, messages }: ConnectResult): Finding | undefined {
  const server = evidence.peer?.process;
  if (!messages || !server?.isStopped) return undefined;
  const state = server.isFrozen ? "frozen" : "stopped";
  return peer(`the server is ${state}: ${describeProcess(server)} answers nothing`, howToGoOn(server), [
    describeAnswered(messages),
    "the kernel holds its connections and keeps accepting bytes for it",
  ]);
}

function describeAnswered({ answered, sent, bytes }: MessageResult): string {
  const size = bytes > 0 ? ` of ${formatBytes(bytes)}` : "";
  return `${formatCount(answered)} of ${formatCount(sent)} messages${size} were answered`;
}

function describeUnsent({ missed, due }: MessageResult): string {
  return `${formatCount(missed)} of ${formatCount(due)} messages were due but never sent`;
}

function explainUnanswered({ traffic, latency }: ConnectResult, messages: MessageResult): Finding {
  const { answered, sent, wrongBytes, unsolicitedBytes, expected, bytes } = messages;
  const facts = [describeAnswered(messages)];
  // A greeting that arrives after the first message looks like a wrong answer. With fewer bytes than messages, the
  // messages were not answered at all.
  const isGreeting = answered === 0 && wrongBytes < sent;
  if (expected === "echo" && wrongBytes > 0 && !isGreeting) {
    return peer(
      "the server's answers differ from the messages: only an exact echo is an answer",
      "use --expect any if any answer will do, or --await-greeting if the server speaks first",
      [...facts, `${formatBytes(wrongBytes)} received instead of the expected answer`],
    );
  }
  if (answered === 0 && expected === "handler" && traffic.receivedBytes > 0) {
    return {
      limit: "messages",
      whose: "local",
      meaning: "the client's handlers reported no message as answered",
      fix: "call c.answered() when an answer is complete; after c.missed(), a message counts as unanswered",
      evidence: [...facts, `${formatBytes(traffic.receivedBytes)} received`],
    };
  }
  const otherBytes = unsolicitedBytes + (expected === "echo" ? wrongBytes : 0);
  const begunBytes = traffic.receivedBytes - unsolicitedBytes - wrongBytes;
  if (answered === 0 && begunBytes > 0) {
    const begun = [...facts, `${formatBytes(begunBytes)} of answers arrived`];
    if (expected === "echo") {
      return peer(
        "the server began answering but never finished an answer",
        "lower the rate (-r) or send shorter messages, or find out what slows the server down",
        [...begun, `${formatBytes(sent * bytes)} were due`],
      );
    }
    if (expected === "until" || expected === "bytes") {
      const end = expected === "until" ? "the text of --expect-until" : "the number of bytes of --expect-bytes";
      if (latency.handshake !== undefined) {
        return peer(
          `no answer reached ${end}: what arrived may be greetings alone`,
          "check whether the server answers after its greeting, and how its answers end",
          [...facts, `${formatBytes(begunBytes)} arrived, with the greetings`],
        );
      }
      return peer(
        `the server answers, but no answer reached ${end}`,
        "check how the server's answers end, and whether it waits for more (-m)",
        begun,
      );
    }
  }
  if (answered === 0) {
    return peer(
      "the server sends no answers",
      `use --expect none if the server should not answer; otherwise check why it does not read or answer${expected === "echo" ? " (fourtuple serve echoes with --mode echo)" : ""}`,
      [...facts, describeReceived(traffic.receivedBytes, otherBytes)],
    );
  }
  return peer(
    "the server has stopped answering, or cannot keep up",
    "check what the server is waiting for, or lower the rate (--message-rate)",
    [...facts, "the run waited one second for answers after the last message"],
  );
}

/** @param otherBytes bytes received that answer nothing; the others may belong to a handshake */
function describeReceived(receivedBytes: number, otherBytes: number): string {
  if (otherBytes > 0) return `${formatBytes(otherBytes)} received that answer nothing`;
  return receivedBytes === 0 ? "no bytes arrived" : `${formatBytes(receivedBytes)} received, no answer among them`;
}

function explainUnsent(messages: MessageResult): Finding {
  const { blocked, late } = messages;
  const facts = [describeUnsent(messages)];
  if (blocked > 0) {
    return peer(
      "the server reads more slowly than the run sends: its receive window is full",
      "lower the rate (-r), or check why the server does not read",
      [...facts, `${formatCount(blocked)} were due while their connection's send buffer was full`],
    );
  }
  return {
    limit: "messages",
    whose: "local",
    meaning: "this host does not send as fast as requested",
    fix: "lower the rate (-r), or give this host more CPU",
    evidence: [...facts, `${formatCount(late)} were sent more than a millisecond late`],
  };
}

function peer(meaning: string, fix: string, evidence: readonly string[]): Finding {
  return { limit: "messages", whose: "peer", meaning, fix, evidence };
}
