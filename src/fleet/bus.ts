// What the coordinator and the agents need from NATS: subjects with messages, requests with answers. Tests replace it
// by a bus in memory.

/** Handles a message. `answer` is missing if the sender expects none. */
export type Handle = (message: unknown, answer: ((answer: object) => void) | undefined) => void;

export interface Bus {
  /** False while the connection to the server is interrupted. Messages wait, and requests find no answer. */
  readonly isConnected: boolean;
  /** Sends a message. What the server refuses is known to check(). */
  publish(subject: string, message: object): void;
  /** @returns a function that ends the subscription */
  subscribe(subject: string, handle: Handle): () => void;
  /**
   * @returns the answer; undefined if none arrives in time
   * @throws {AppError} E_FLEET if the message is longer than the server accepts, the subject is forbidden, or the bus
   *   is closed
   */
  request(subject: string, message: object, timeoutMs: number): Promise<unknown>;
  /**
   * Collects the answers of all subscribers.
   * @param most number of answers after which to stop waiting
   * @throws {AppError} E_FLEET if nobody answers because the server refuses a subject, or the bus is closed
   */
  gather(subject: string, message: object, timeoutMs: number, most?: number): Promise<unknown[]>;
  /**
   * Waits until the server has seen everything sent so far.
   * @throws {AppError} E_FLEET for something that it has refused since the last call
   */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** All subjects start with this word, for NATS's permissions. */
const ROOT = "fourtuple";

export const SUBJECTS = {
  /** Agents answer with their announcement. */
  agents: `${ROOT}.agents`,
  /** Coordinators answer with the state of their run. */
  runs: `${ROOT}.runs`,
  /** Requests to one agent. */
  agent: (id: string) => `${ROOT}.agent.${id}`,
  /** Heartbeats of a run's agents. */
  beats: (run: string) => `${ROOT}.run.${run}.beats`,
  /** Results of a run's agents, each of which is answered. */
  parts: (run: string) => `${ROOT}.run.${run}.parts`,
  /** The coordinator's sign of life. */
  lease: (run: string) => `${ROOT}.run.${run}.lease`,
  /** Asks a run's coordinator to stop it. */
  stop: (run: string) => `${ROOT}.run.${run}.stop`,
} as const;
