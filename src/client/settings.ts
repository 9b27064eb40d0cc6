// Client settings derived from a run spec, such as its schedule and the message as bytes.

import type { AnswerSpec, RunSpec } from "../planning/run-spec.js";
import { type Schedule, stagedSchedule, steadySchedule } from "../planning/schedule.js";
import type { TlsSpec } from "../planning/tls.js";
import type { ProxyVersion } from "../protocols/proxy-protocol/format.js";
import { receivesOwn } from "../protocols/spec/mqtt.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { TransportName } from "../results/engine.js";
import type { Thresholds } from "../results/outcome.js";
import type { MessagePlan, OpeningPlan } from "./worker-plan.js";

export interface ConnectSettings {
  readonly connections: number;
  readonly schedule: Schedule;
  readonly isPaced: boolean;
  /** True if the schedule can also go down, so that the number open at the end may differ from the number requested. */
  readonly isStaged: boolean;
  /** Time between the starts of two connections; 0 without a rate. */
  readonly connectIntervalMs: number;
  readonly concurrency: number;
  /** Number of connections of the same load numbered before the first of this run. */
  readonly numberedBefore: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly durationMs: number;
  readonly message: MessagePlan | undefined;
  readonly opening: OpeningPlan | undefined;
  readonly protocol: ProtocolSpec | undefined;
  /** MQTT: whether the run's connections may receive what they publish, because they also subscribe. */
  readonly receivesOwn: boolean;
  readonly tls: TlsSpec | undefined;
  readonly proxyProtocol: ProxyVersion | undefined;
  readonly thresholds: Thresholds;
  readonly reset: boolean;
  readonly closesGreeted: boolean;
  /** HTTP: whether each connection is closed after its first response. */
  readonly closesAnswered: boolean;
  /** HTTP: whether connections that the server closes are opened again for their next request. */
  readonly reopens: boolean;
  readonly oneTable: boolean;
  readonly transport: TransportName;
  readonly delayedAck: boolean;
  /**
   * True for a single connection, which reports the text that it receives; the run ends when the peer closes the
   * connection.
   */
  readonly isSingle: boolean;
}

export function settingsOf(spec: RunSpec): ConnectSettings {
  const { connections, connectRatePerSec, stages, turn, durationMs, message, opening } = spec;
  const schedule = stages ? stagedSchedule(stages, turn) : steadySchedule(connections, connectRatePerSec, turn);
  return {
    connections,
    schedule,
    isPaced: schedule.endMs > 0,
    isStaged: stages !== undefined,
    connectIntervalMs: connectRatePerSec === undefined ? 0 : 1000 / connectRatePerSec,
    concurrency: spec.concurrency,
    numberedBefore: spec.numberedBefore ?? 0,
    connectTimeoutMs: spec.connectTimeoutMs,
    handshakeTimeoutMs: spec.handshakeTimeoutMs,
    durationMs: durationMs === "forever" ? Number.POSITIVE_INFINITY : durationMs,
    message: message && {
      bytes: decode(message.base64),
      intervalMs: message.ratePerSec === undefined ? undefined : 1000 / message.ratePerSec,
      total: spec.requests,
      turns: spec.messageTurns && { ...spec.messageTurns, before: spec.numberedBefore ?? 0 },
      ...answerOf(message),
    },
    opening: opening && {
      awaitsGreeting: opening.awaitsGreeting,
      firstMessage: opening.base64 === undefined ? undefined : decode(opening.base64),
      awaitsAnswer: opening.expect !== "none",
      ...answerOf(opening),
    },
    protocol: spec.protocol,
    receivesOwn: message !== undefined && spec.protocol?.name === "mqtt" && receivesOwn(spec.protocol),
    tls: spec.tls,
    proxyProtocol: spec.proxyProtocol,
    thresholds: spec.thresholds,
    reset: spec.close === "rst",
    closesGreeted: spec.closeAfterGreeting,
    closesAnswered: spec.protocol?.name === "http" && spec.protocol.closesAnswered,
    reopens: spec.reopens,
    oneTable: spec.oneTable,
    transport: spec.transport ?? "kernel",
    delayedAck: spec.delayedAck ?? false,
    isSingle: spec.isSingle,
  };
}

function answerOf({ expect, delimiter, answerBytes }: AnswerSpec) {
  return { expected: expect, delimiter: delimiter === undefined ? undefined : decode(delimiter), answerBytes };
}

function decode(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}
