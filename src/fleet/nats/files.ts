// Reads the files that options for NATS name, and says what is wrong with them before a connection is made.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";

/** What the system's error codes mean for a file. */
const FAULTS: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "may not be read by this user",
  EISDIR: "is a folder",
};

/**
 * Returns the CA certificates in a file, in PEM.
 * @throws {AppError} E_OPTION if there are none, or the file cannot be read
 */
export function readAuthority(file: string): string {
  const text = read(file, "--nats-ca").toString();
  try {
    // Checks only the first one, which is enough to recognize the wrong file.
    new X509Certificate(text);
  } catch (cause) {
    throw new AppError("E_OPTION", `--nats-ca ${quoted(file)} contains no certificate in PEM`, {
      fix: "name the file of the CA that issued the NATS server's certificate",
      cause,
    });
  }
  return text;
}

/**
 * Returns the credentials of a NATS user.
 * @throws {AppError} E_OPTION if there are none, or the file cannot be read
 */
export function readCreds(file: string): Buffer {
  const bytes = read(file, "--creds");
  const text = bytes.toString();
  // A JSON Web Token, and the seed of the user's key.
  if (/-----BEGIN NATS USER JWT-----/.test(text) && /-----BEGIN USER NKEY SEED-----/.test(text)) return bytes;
  throw new AppError("E_OPTION", `--creds ${quoted(file)} contains no credentials of a NATS user`, {
    fix: "create them with: nsc generate creds --account ACCOUNT --name USER",
  });
}

function read(file: string, flag: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new AppError("E_OPTION", `${flag} ${quoted(file)} ${FAULTS[code] ?? `cannot be read: ${message}`}`, {
      fix: "name a file that this user can read",
      cause,
    });
  }
}
