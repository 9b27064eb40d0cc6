// Certificates for tests, created by the openssl program: an authority and the certificates it signs, in a folder
// removed with remove().
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The files of a certificate and its key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const CONFIG = `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
`;

export class Authority {
  /** File of the authority's certificate. */
  readonly ca: string;
  private readonly folder: string;

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), "fourtuple-authority-"));
    this.ca = join(this.folder, "ca.pem");
    writeFileSync(join(this.folder, "ca.cnf"), CONFIG);
    writeFileSync(join(this.folder, "index.txt"), "");
    const key = this.newKey("ca.key");
    this.openssl("req", "-x509", ...key, "-out", "ca.pem", "-days", "2", "-subj", `/CN=${name}`);
  }

  /**
   * Issues a certificate.
   *
   * @param names subject alternative names, such as `IP:127.0.0.1` or `DNS:localhost`
   * @param dates start and end of its validity; by default now and tomorrow
   */
  issue(
    file: string,
    names: readonly string[],
    dates: readonly [string, string] | undefined = undefined,
  ): CertificateFiles {
    const extension = names.length > 0 ? ["-addext", `subjectAltName=${names.join(",")}`] : [];
    this.openssl(
      "req",
      "-new",
      ...this.newKey(`${file}.key`),
      "-out",
      `${file}.csr`,
      "-subj",
      `/CN=${file}`,
      ...extension,
    );
    const validity = dates ? ["-startdate", dates[0], "-enddate", dates[1]] : ["-days", "1"];
    const signer = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
    this.openssl("ca", "-batch", "-notext", ...signer, ...validity, "-in", `${file}.csr`, "-out", `${file}.pem`);
    return { cert: join(this.folder, `${file}.pem`), key: join(this.folder, `${file}.key`) };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  private newKey(file: string): string[] {
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file];
  }

  private openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }
}
