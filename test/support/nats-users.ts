// Users of a nats-server that are known by signed tokens (JWT), as in NATS's decentralized authentication: an operator
// signs accounts, and an account its users. The server has the accounts in its configuration (a memory resolver).
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";

type Keys = ReturnType<typeof nkeys.createOperator>;

const UNLIMITED = { subs: -1, data: -1, payload: -1 };

export class NatsUsers {
  readonly #folder = mkdtempSync(join(tmpdir(), "fourtuple-users-"));
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();
  #users = 0;

  /** Configuration of a server that knows the account. */
  get config(): string {
    const operator = claim(this.#operator, this.#operator.getPublicKey(), "operator", {});
    const limits = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    const id = this.#account.getPublicKey();
    const account = claim(this.#operator, id, "account", { limits });
    const file = join(this.#folder, "nats.conf");
    writeFileSync(file, `operator: ${operator}\nresolver: MEMORY\nresolver_preload: { ${id}: ${account} }\n`);
    return file;
  }

  /** Issues a user; without the server's knowledge, if another account signs it. @returns a file of credentials */
  issue(account: Keys = this.#account): string {
    const user = nkeys.createUser();
    const token = claim(account, user.getPublicKey(), "user", UNLIMITED);
    const file = join(this.#folder, `${++this.#users}.creds`);
    const seed = new TextDecoder().decode(user.getSeed());
    writeFileSync(
      file,
      `-----BEGIN NATS USER JWT-----\n${token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
      { mode: 0o600 },
    );
    return file;
  }

  issueForeign(): string {
    return this.issue(nkeys.createAccount());
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @returns a token that `issuer` signs (algorithm ed25519-nkey) */
function claim(issuer: Keys, subject: string, type: string, nats: object): string {
  const body = { iat: 1_700_000_000, iss: issuer.getPublicKey(), name: type, sub: subject };
  const jti = createHash("sha256").update(JSON.stringify(body)).digest("hex");
  const parts = [
    { typ: "JWT", alg: "ed25519-nkey" },
    { ...body, jti, nats: { ...nats, type, version: 2 } },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString("base64url")}`;
}
