// Who an agent is, and what it reports.
import type { NeededSetting } from "../../planning/packet/network.js";
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import type { UndoOutcome } from "../../tuning/undo.js";
import type { Prepared } from "../messages.js";

export interface AgentIdentity {
  readonly id: string;
  readonly name: string;
  /** Version of fourtuple. */
  readonly version: string;
}

export interface AgentEvents {
  /** A run has started to open connections here. */
  started: [run: string, connections: number];
  /** A run has ended here, and all of its connections are closed. */
  ended: [run: string, result: ConnectResult | ServeResult | undefined, reason: string | undefined];
  /** A run is about to execute a protocol that its coordinator sent: its title, and the SHA-256 of its file. */
  code: [run: string, text: string];
  /** A server of a run accepts connections here. */
  listening: [run: string, address: NonNullable<Prepared["address"]>];
  /** A run without kernel sockets is about to change settings of this host, until it ends. */
  changing: [run: string, settings: readonly NeededSetting[]];
  /** Clients on other hosts cannot reach a run's server without these settings, which the agent may not change. */
  needed: [run: string, settings: readonly NeededSetting[]];
  /** A run has ended, and these settings could not be reverted. */
  left: [run: string, outcomes: readonly UndoOutcome[]];
  /** What an agent that was killed had changed, and what became of it. */
  leftovers: [outcomes: readonly UndoOutcome[]];
  /** A coordinator was refused. */
  refused: [reason: string];
  /** The result of this agent's part was neither taken by the coordinator nor stored. */
  undelivered: [run: string, reason: string];
}
