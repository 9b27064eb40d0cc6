// Writes the plan as a shell script and a sysctl.d file, for other hosts, for images, and for review before running it.
import { printable } from "../util/printable.js";
import type { Change, FixPlan } from "./change.js";
import { PORT_RANGE, RESERVED_PORTS } from "./value.js";

export interface FixScript {
  readonly kind: "script";
  readonly version: 1;
  /** POSIX shell script to run as root; includes the sysctl.d file. */
  readonly script: string;
  /** File for /etc/sysctl.d, applied by systemd-sysctl(8) at boot. */
  readonly sysctlFile: string;
}

export const SYSCTL_FILE = "90-fourtuple.conf";

// Uses cat and cut, which read everything at once: the kernel answers only the first read, and the shell's `read` reads
// single bytes.
const FUNCTIONS = `
path() {
  echo "/proc/sys/$(echo "$1" | tr . /)"
}

set_to() {
  echo "$2" >"$(path "$1")"
  echo "$1 = $(cat "$(path "$1")")"
}

# raise NAME NUMBER...: each number of the setting to at least that
raise() {
  name=$1
  new=
  shift
  for have in $(cat "$(path "$name")"); do
    if [ "$have" -gt "$1" ]; then new="$new $have"; else new="$new $1"; fi
    shift
  done
  set_to "$name" "\${new# }"
}

# widen FIRST LAST: the range of source ports to at least that
widen() {
  first=$(cut -f 1 "$(path ${PORT_RANGE})")
  last=$(cut -f 2 "$(path ${PORT_RANGE})")
  if [ "$first" -gt "$1" ]; then first=$1; fi
  if [ "$last" -lt "$2" ]; then last=$2; fi
  set_to ${PORT_RANGE} "$first $last"
}

# reserve PORTS: these beside those that are reserved already
reserve() {
  now=$(cat "$(path ${RESERVED_PORTS})")
  set_to ${RESERVED_PORTS} "\${now:+$now,}$1"
}
`;

export function scriptFor(plan: FixPlan): FixScript {
  const settings = plan.changes.filter(({ kind }) => kind === "sysctl");
  const rest = plan.changes.filter(({ kind }) => kind !== "sysctl");
  const title = `made by fourtuple doctor --script for ${plan.connections} connections`;
  const sysctlFile = [
    `# ${title}, out of this host's settings as they were.`,
    ...settings.flatMap(({ name, from, to, why }) => [
      "",
      comment(why),
      comment(`before: ${from || "empty"}`),
      `${name} = ${to}`,
    ]),
    "",
  ].join("\n");
  const script = [
    "#!/bin/sh",
    `# ${title}.`,
    "# To be run as root. It raises and widens, and lowers nothing. Settings that are to last go into a file of $SYSCTL_D",
    "# (default /etc/sysctl.d; empty for none).",
    "set -eu",
    ...(settings.length === 0 ? ["", "# There is no setting to change."] : [FUNCTIONS]),
    ...settings.flatMap((change) => [comment(change.why), commandFor(change), ""]),
    ...rest.flatMap((change) => [...commentsFor(change), ""]),
    ...(settings.length === 0
      ? []
      : [
          "folder=$" + "{SYSCTL_D-/etc/sysctl.d}",
          'if [ -n "$folder" ]; then',
          `  cat >"$folder/${SYSCTL_FILE}" <<'END'`,
          `${sysctlFile}END`,
          "fi",
          "",
        ]),
  ].join("\n");
  return { kind: "script", version: 1, script, sysctlFile };
}

function commandFor({ name, to }: Change): string {
  if (name === PORT_RANGE) return `widen ${to}`;
  return name === RESERVED_PORTS ? `reserve ${to}` : `raise ${name} ${to}`;
}

/** Returns comments on changes that a script cannot make, such as limits of a process started by something else. */
function commentsFor({ name, from, to, why, how, systemd, container }: Change): string[] {
  return [
    `${name}: ${from ?? "unknown"}${to === undefined ? "" : `, wanted: ${to}`}`,
    why,
    [how, systemd, container].filter((text) => text !== undefined).join("; "),
  ].map(comment);
}

/** Returns a comment on one line whatever the text contains, because a line break would start a command. */
function comment(text: string): string {
  return `# ${printable(text)}`;
}
