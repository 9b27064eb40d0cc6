// Whether a value has the shape that the rules read. A result comes out of a file: it may be another program's, an older version's,
// or cut short, and a rule that meets a hole would show NaN for a fact.
type Shape =
  | "count"
  | "number"
  | "boolean"
  | "text"
  | { readonly optional: Shape }
  | { readonly listOf: Shape }
  | { readonly mapOf: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

const FAILURES: Shape = { listOf: { fields: { phase: "text", errno: "text", count: "count" } } };
const COUNTS: Shape = { mapOf: "count" };
const EVIDENCE = {
  risen: COUNTS,
  settings: COUNTS,
  gauges: COUNTS,
  memoryStop: { optional: { fields: { availableBytes: "number", floorBytes: "count", bound: "text" } } },
  fileStop: { optional: { fields: { open: "count", max: "count", reserve: "count" } } },
  wasCutShort: "boolean",
} satisfies Record<string, Shape>;

const LISTENER: Shape = {
  fields: {
    ip: "text",
    port: "count",
    acceptQueue: { fields: { used: "count", limit: { optional: "count" } } },
    drops: { optional: "count" },
    since: { optional: "text" },
  },
};
const ELSEWHERE: Shape = {
  fields: {
    ip: "text",
    port: "count",
    kind: "text",
    process: { optional: { fields: { pid: "count", command: "text" } } },
  },
};
const PROCESS: Shape = {
  fields: {
    pid: "count",
    name: "text",
    args: { listOf: "text" },
    isStopped: "boolean",
    isFrozen: { optional: "boolean" },
    nofileLimit: { optional: "count" },
    openDescriptors: { optional: "count" },
  },
};
const LOSS_PATTERN: Shape = {
  fields: {
    shortestHeldMs: "count",
    longestHeldMs: "count",
    openedOverMs: "count",
    kept: "count",
    keptOlder: "count",
    keptYounger: "count",
    oldestKeptMs: "count",
  },
};

const ACCEPTING: Shape = {
  fields: { accepted: "count", waiting: "count", synReceived: "count", isMoving: "boolean" },
};

const LOCAL_PATH: Shape = {
  fields: {
    failedAtOnce: COUNTS,
    routes: { optional: { listOf: { fields: { kind: "text", type: "text", to: "text", entry: "text" } } } },
    rules: {
      optional: {
        listOf: {
          fields: {
            hook: "text",
            table: "text",
            chain: "text",
            handle: { optional: "count" },
            verdict: "text",
            port: { optional: "count" },
          },
        },
      },
    },
  },
};

const BAD_SOURCES: Shape = { listOf: { fields: { ip: "text", problem: "text", detail: { optional: "text" } } } };
const SHORTAGE: Shape = {
  fields: {
    badSources: BAD_SOURCES,
    badSourceCount: "count",
    unreachable: BAD_SOURCES,
    timeWaits: "count",
    timeWaitFirstMs: "count",
    timeWaitLastMs: "count",
    closing: "count",
  },
};

const CONNECT: Shape = {
  fields: {
    destinations: { listOf: "text" },
    byDestination: {
      optional: {
        listOf: {
          fields: {
            to: "text",
            established: "count",
            failed: "count",
            lastFailure: { optional: { fields: { phase: "text", errno: "text" } } },
          },
        },
      },
    },
    outcome: { optional: "text" },
    misses: { optional: { listOf: { fields: { kind: "text", count: "count", of: "count" } } } },
    isTargetMet: "boolean",
    asked: "count",
    established: "count",
    peakOpen: "count",
    openAtStop: { optional: "count" },
    lost: "count",
    nofileLimit: "count",
    threads: "count",
    hasPrivateTables: "boolean",
    failures: FAILURES,
    losses: FAILURES,
    messages: {
      optional: {
        fields: {
          expected: "text",
          bytes: "count",
          due: "count",
          sent: "count",
          answered: "count",
          unanswered: "count",
          late: "count",
          missed: "count",
          blocked: "count",
          unaskedBytes: "count",
          wrongBytes: "count",
        },
      },
    },
    memory: { fields: { kernelBytesPerConnection: "number", kernelEnds: "text" } },
    kernel: { optional: { fields: { outgoing: "count", incoming: "count" } } },
    plan: {
      fields: { tuplesAvailable: "count", tuplesSkipped: "count", sourceAddresses: "count", sourcePorts: "text" },
    },
    scheduleMovedMs: { optional: "count" },
    gaveUp: { optional: { fields: { reason: "text", untried: "count" } } },
    greetings: { optional: { fields: { greeted: "count", ungreeted: "count", awaited: "count" } } },
    evidence: {
      fields: {
        ...EVIDENCE,
        peer: {
          optional: {
            fields: {
              listeners: { listOf: LISTENER },
              elsewhere: { optional: { listOf: ELSEWHERE } },
              process: { optional: PROCESS },
            },
          },
        },
        lossPattern: { optional: LOSS_PATTERN },
        accepting: { optional: ACCEPTING },
        localPath: { optional: LOCAL_PATH },
        shortage: { optional: SHORTAGE },
      },
    },
  },
};

const SERVE: Shape = {
  fields: {
    accepted: "count",
    rejected: "count",
    peakOpen: "count",
    nofileLimit: "count",
    hasPrivateTables: "boolean",
    tableFull: "count",
    failures: FAILURES,
    backlog: { fields: { length: "count", listenOverflows: "count", drops: { optional: "count" } } },
    evidence: { fields: EVIDENCE },
  },
};

const RESULTS: Readonly<Record<string, Shape>> = { connect: CONNECT, serve: SERVE };

/** @returns where a result is not as the rules need it, such as `evidence.peer.listeners`; undefined when it is */
export function findFlaw(result: unknown): string | undefined {
  const { kind, version } = (result ?? {}) as Record<string, unknown>;
  const shape = Object.hasOwn(RESULTS, String(kind)) ? RESULTS[String(kind)] : undefined;
  if (!shape) return "kind";
  return version === 1 ? flawIn(result, shape, "") : "version";
}

/** @param path where the value lies; empty for the whole */
function flawIn(value: unknown, shape: Shape, path: string): string | undefined {
  if (typeof shape === "string") return isA(value, shape) ? undefined : path;
  if ("optional" in shape) return value === undefined ? undefined : flawIn(value, shape.optional, path);
  if ("listOf" in shape) {
    return Array.isArray(value) ? first(value, (item, i) => flawIn(item, shape.listOf, `${path}[${i}]`)) : path;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return path || "all of it";
  const fields = value as Readonly<Record<string, unknown>>;
  const within = (name: string) => (path === "" ? name : `${path}.${name}`);
  return "mapOf" in shape
    ? first(Object.keys(fields), (name) => flawIn(fields[name], shape.mapOf, within(name)))
    : first(Object.keys(shape.fields), (name) => flawIn(fields[name], shape.fields[name]!, within(name)));
}

function isA(value: unknown, type: Extract<Shape, string>): boolean {
  if (type === "text") return typeof value === "string";
  if (type === "boolean") return typeof value === "boolean";
  return typeof value === "number" && !Number.isNaN(value) && (type === "number" || value >= 0);
}

function first<T>(items: readonly T[], find: (item: T, index: number) => string | undefined): string | undefined {
  for (const [i, item] of items.entries()) {
    const found = find(item, i);
    if (found !== undefined) return found;
  }
  return undefined;
}
