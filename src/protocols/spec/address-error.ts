// Recognizes mistyped URLs, which would otherwise be taken for host names, and says what was probably meant.
import { SCHEME_NAMES } from "../../results/identifiers.js";
import { isIp } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import { quoted, shortened } from "../../util/printable.js";
import { editDistance } from "../../util/suggestions/edit-distance.js";

/** Maximum number of letters in which a mistyped scheme differs from the one that was meant. */
const TYPOS = 2;

/**
 * Returns the error for an address that is a mistyped URL, has a path without a scheme, or has two schemes.
 *
 * @param parse throws an AppError if its argument is not an address either, whose fix may be a better suggestion
 * @returns undefined for other addresses
 */
export function mistypedUrl(text: string, parse: (text: string) => unknown): AppError | undefined {
  const [, scheme = "", separator = "", rest = ""] = /^([a-z]+)(:[/\\]*|;?[/\\]{2,}|;)(.*)$/is.exec(text) ?? [];
  if (isScheme(scheme)) {
    const [, second] = /^([a-z]+):\/\//i.exec(rest) ?? [];
    if (separator === "://" && second !== undefined && isScheme(second))
      return wrong(text, "has two schemes", [rest], parse);
    // A host may have the name of a scheme: http:8080.
    const isHost = separator === ":" && /^\d+(-\d+)?$/.test(rest);
    if (separator.startsWith("://") || isHost) return undefined;
    const bare = withoutSlashes(rest);
    const meant = `${scheme.toLowerCase()}://${bare === "" ? "example.org" : bare}`;
    return wrong(text, "has no :// after its scheme", [meant], parse);
  }
  const [, authority] = /^:?[/\\]+([^/\\].*)$/s.exec(text) ?? [];
  if (authority !== undefined) {
    const bare = authority.replaceAll("\\", "/");
    return wrong(text, "begins with a slash, but has no scheme", [bare, `http://${bare}`], parse);
  }
  const [, host, path = ""] = /^([^/:]+(?::\d+)?|\[[^\]]*\](?::\d+)?)(\/.*)$/s.exec(text) ?? [];
  if (host === undefined) return undefined;
  if (!isIp(host)) return wrong(text, "has a path, but no scheme that uses paths", [`http://${host}${path}`], parse);
  const [block, port = ""] = /^\/\d+(:\d+)?$/.exec(path) ?? [];
  if (block === undefined) return undefined;
  return wrong(text, "is a block of addresses, not a single one", [`${host}${port}`], parse);
}

/** Returns the error for an address with an unknown scheme. */
export function unknownScheme(name: string, text: string): AppError {
  const [nearest] = [...SCHEME_NAMES].sort((a, b) => editDistance(a, name) - editDistance(b, name));
  const isTypo = editDistance(nearest!, name) <= TYPOS && name.length > TYPOS;
  return new AppError("E_ADDRESS", `unknown scheme in ${quoted(text)}`, {
    fix: isTypo
      ? `write it as ${shortened(`${nearest}${text.slice(name.length)}`)}`
      : `use one of ${SCHEME_NAMES.map((each) => `${each}://`).join(", ")}, or none for plain TCP`,
  });
}

/** @param meant addresses that may have been meant */
function wrong(text: string, problem: string, meant: readonly string[], parse: (text: string) => unknown): AppError {
  const spellings = new Set<string>();
  const others = new Set<string>();
  for (const each of meant) {
    const { fix = "" } = errorOf(each, parse) ?? {};
    const [, spelling] = /^write it as (.*)$/s.exec(fix) ?? [];
    spellings.add(spelling ?? shortened(each));
    if (spelling === undefined && fix !== "") others.add(fix);
  }
  return new AppError("E_ADDRESS", `${quoted(text)} ${problem}`, {
    fix: [`write it as ${[...spellings].join(" or ")}`, ...others].join("; "),
  });
}

function errorOf(text: string, parse: (text: string) => unknown): AppError | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return error as AppError;
  }
}

function isScheme(name: string): boolean {
  return (SCHEME_NAMES as readonly string[]).includes(name.toLowerCase());
}

function withoutSlashes(text: string): string {
  return text.replaceAll("\\", "/").replace(/^\/+/, "");
}
