// Public options of runs and agents that work together over NATS.

/** How to reach NATS. */
export interface NatsOptions {
  /** Servers, such as `nats://10.0.0.5:4222` or `tls://nats.example.org`; several are separated by commas. */
  readonly servers: string;
  /** File with the credentials of a NATS user (.creds). */
  readonly creds?: string | undefined;
  /** File of CA certificates (PEM) that verify the NATS servers. */
  readonly ca?: string | undefined;
  /** Authorization token; default: the environment's FOURTUPLE_NATS_TOKEN, or NATS_TOKEN. */
  readonly token?: string | undefined;
}

/**
 * What to do when an agent is lost: `abort` stops the run, `continue` goes on without the agent, and `redeal` gives its
 * connections to the other agents as far as they can hold them.
 */
export type OnLost = (typeof ON_LOST)[number];
export const ON_LOST = ["abort", "continue", "redeal"] as const;

/** The fleet that a run is divided among. */
export interface FleetOptions extends NatsOptions {
  /** Number of agents to wait for; by default, all that answer within a second. */
  readonly agents?: number | undefined;
  /** What to do when an agent is lost, or is not ready in time; default `abort`. */
  readonly onLost?: OnLost | undefined;
  /**
   * Time after which an agent closes its connections if it hears nothing from the coordinator; default 5,000. An agent
   * that is silent for three fifths of this time is lost.
   */
  readonly leaseMs?: number | undefined;
}
