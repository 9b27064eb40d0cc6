// Why messages stayed unanswered or unsent, and which threshold was passed, where the connections themselves went well.

import { missPhrases } from "../../client/verdict/verdict.js";
import type { ConnectResult, MissKind } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { MessageResult } from "../../results/messages.js";
import { describeProcess, howToGoOn } from "../../socket-table/listeners/peer-process.js";
import { formatBytes, formatCount } from "../../util/units.js";

const THRESHOLDS: readonly MissKind[] = ["failures", "rate", "latency"];

/** @returns undefined where neither is what was missed */
export function explainMessages(result: ConnectResult): Finding | undefined {
  const { messages, misses = [] } = result;
  const of = (kind: MissKind) => misses.find((miss) => miss.kind === kind);
  if (messages && of("unanswered")) return explainUnanswered(result, messages);
  if (messages && of("unsent")) return explainUnsent(messages);
  const passed = misses.filter(({ kind }) => THRESHOLDS.includes(kind));
  if (passed.length === 0) return undefined;
  return {
    limit: "threshold",
    whose: "local",
    meaning: `a threshold of this run was passed: ${missPhrases(passed).join("; ")}`,
    fix: "see the figures above, or change the threshold (--max-p99, --min-rate, --max-failed)",
    evidence: [],
  };
}

function explainUnanswered({ evidence, traffic }: ConnectResult, messages: MessageResult): Finding {
  const { answered, sent, wrongBytes, unaskedBytes, expected, bytes } = messages;
  const facts = [`${formatCount(answered)} of ${formatCount(sent)} messages of ${formatBytes(bytes)} were answered`];
  const server = evidence.peer?.process;
  if (server?.isStopped) {
    const state = server.isFrozen ? "frozen" : "stopped";
    return peer(`the server is ${state}: ${describeProcess(server)} answers nothing`, howToGoOn(server), [
      ...facts,
      "its connections are held by the kernel, which goes on taking bytes for it",
    ]);
  }
  if (expected === "echo" && wrongBytes > 0) {
    return peer(
      "the server answers with other bytes than it was sent: only an exact echo counts",
      "give --expect any if any answer will do",
      [...facts, `${formatBytes(wrongBytes)} came instead of an answer`],
    );
  }
  const begunBytes = traffic.receivedBytes - unaskedBytes - wrongBytes;
  if (answered === 0 && expected === "echo" && begunBytes > 0) {
    return peer(
      "the server has begun to answer, and come to the end of no answer",
      "send less (-r, or a shorter message), or see what slows the server down",
      [...facts, `${formatBytes(begunBytes)} of answers came, ${formatBytes(sent * bytes)} were due`],
    );
  }
  if (answered === 0) {
    return peer(
      "the server answers nothing",
      "give --expect none if it has nothing to answer; otherwise see why it does not read or answer",
      [...facts, unaskedBytes > 0 ? `${formatBytes(unaskedBytes)} came unasked` : "no byte came"],
    );
  }
  return peer(
    "the server has stopped answering, or falls behind",
    "see what it waits for; or send less (--message-rate)",
    [...facts, "answers were waited for a second after the last message"],
  );
}

function explainUnsent({ missed, due, blocked, late }: MessageResult): Finding {
  const facts = [`${formatCount(missed)} of ${formatCount(due)} messages were due and never sent`];
  if (blocked > 0) {
    return peer(
      "the server does not read as fast as it is sent to: its window is full",
      "send less (-r), or see why it does not read",
      [...facts, `${formatCount(blocked)} were due while the kernel took no more bytes of their connection`],
    );
  }
  return {
    limit: "messages",
    whose: "local",
    meaning: "this host does not send as fast as requested",
    fix: "ask for less (-r), or give it more CPU",
    evidence: [...facts, `${formatCount(late)} were sent more than a millisecond late`],
  };
}

function peer(meaning: string, fix: string, evidence: readonly string[]): Finding {
  return { limit: "messages", whose: "peer", meaning, fix, evidence };
}
