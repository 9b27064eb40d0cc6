// The steps of a connection's life in which a call can fail, by name and by number: failures are counted by (step, errno).

export const STEPS = [
  "socket",
  "option",
  "bind",
  "connect",
  "register",
  "accept",
  /** The handshake of TLS. */
  "tls",
  "send",
  "receive",
  "hold",
] as const;
export type Step = (typeof STEPS)[number];
export const STEP = Object.fromEntries(STEPS.map((step, index) => [step, index])) as Record<Step, number>;
