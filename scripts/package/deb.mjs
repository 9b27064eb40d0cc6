// Builds the Debian package of an executable, with dpkg-deb.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ARCHITECTURES, ARTIFACTS, EPOCH, PACKAGE, ROOT, run } from "./places.mjs";

const UNIT = "fourtuple-exporter.service";
const DOC = "usr/share/doc/fourtuple";
/** Debian requires an address. This one is reserved, so it belongs to nobody (RFC 6761). */
const MAINTAINER = "The fourtuple authors <authors@fourtuple.invalid>";
/** What lintian reports about Node's official binary. */
const OVERRIDES = `# Node's binary contains its libraries, in the versions that it was tested with.
fourtuple: embedded-library zlib [usr/bin/fourtuple]
# Node's releases are linked to a fixed address.
fourtuple: hardening-no-pie [usr/bin/fourtuple]
`;

/** The exporter's unit is not enabled. A running exporter is restarted by an upgrade and stopped by a removal. */
const SCRIPTS = {
  postinst: `if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
  if [ "$1" = configure ] && [ -n "$2" ]; then systemctl try-restart ${UNIT} || true; fi
fi`,
  prerm: `if [ "$1" = remove ] && command -v systemctl >/dev/null; then
  if [ -d /run/systemd/system ]; then systemctl stop ${UNIT} || true; fi
  systemctl --no-reload disable ${UNIT} || true
fi`,
  postrm: `if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi`,
};

/**
 * @param {import("./places.mjs").Architecture} arch
 * @param {string} folder contents of the archive
 * @param {readonly import("./notices.mjs").Component[]} components
 * @returns {string} path of the package
 */
export function buildDeb(arch, folder, components) {
  const { debian } = ARCHITECTURES[arch];
  const root = join(ARTIFACTS, `build-${arch}`, "deb");
  rmSync(root, { recursive: true, force: true });
  const put = (/** @type {string} */ path, /** @type {string | Buffer} */ content, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  };
  const read = (/** @type {string} */ path) => readFileSync(join(folder, path));
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  copyFileSync(join(folder, "fourtuple"), join(root, "usr/bin/fourtuple"));
  put("usr/share/man/man1/fourtuple.1.gz", zipped(read("fourtuple.1")));
  put("usr/share/bash-completion/completions/fourtuple", read("completions/bash/fourtuple"));
  put("usr/share/zsh/vendor-completions/_fourtuple", read("completions/zsh/_fourtuple"));
  put("usr/share/fish/vendor_completions.d/fourtuple.fish", read("completions/fish/fourtuple.fish"));
  put(`usr/lib/systemd/system/${UNIT}`, unit());
  put("usr/share/lintian/overrides/fourtuple", OVERRIDES);
  put(`${DOC}/copyright`, copyright(components));
  put(`${DOC}/THIRD-PARTY-NOTICES.gz`, zipped(read("THIRD-PARTY-NOTICES")));
  put(`${DOC}/changelog.gz`, zipped(changelog()));
  put("DEBIAN/control", control(debian, Math.ceil(sizeOf(root) / 1024)));
  put(
    "DEBIAN/md5sums",
    run("sh", ["-c", "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum"], { cwd: root }),
  );
  for (const [name, script] of Object.entries(SCRIPTS)) put(`DEBIAN/${name}`, `#!/bin/sh\nset -e\n${script}\n`, 0o755);
  run("chmod", ["-R", "u=rwX,go=rX", root]);
  const file = join(ARTIFACTS, `fourtuple_${PACKAGE.version}_${debian}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: EPOCH };
  run("dpkg-deb", ["--root-owner-group", "-Zxz", "-z6", "--threads-max=1", "--build", root, file], { env });
  return file;
}

/**
 * @param {string} architecture
 * @param {number} installedKiB
 */
function control(architecture, installedKiB) {
  return `Package: fourtuple
Version: ${PACKAGE.version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${installedKiB}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6
Section: net
Priority: optional
Description: TCP connections by the million, and what limits them
 fourtuple opens and holds millions of TCP connections, accepts them, and shows
 what limits them: source ports, descriptors, memory, accept queues and
 connection tracking. It reads the kernel's socket tables as evidence, serves
 them to Prometheus, and tests the claims about 65,535 in network namespaces.
`;
}

function unit() {
  const text = readFileSync(`${ROOT}deploy/${UNIT}`, "utf8");
  const start = text.indexOf("[Unit]");
  return `# Runs the exporter for the whole host, without root: systemctl enable --now fourtuple-exporter\n\n${text.slice(start)}`.replace(
    "ExecStart=fourtuple",
    "ExecStart=/usr/bin/fourtuple",
  );
}

/** @param {readonly import("./notices.mjs").Component[]} components */
function copyright(components) {
  const list = components.map(({ name, version, license }) => `  ${name} ${version}: ${license}`).join("\n");
  return `${readFileSync(`${ROOT}LICENSE`, "utf8").trim()}

The executable contains these programs and libraries:

${list}

Their copyright notices and licences are in /${DOC}/THIRD-PARTY-NOTICES.gz. On
Debian systems, the Apache License 2.0 is also in
/usr/share/common-licenses/Apache-2.0.
`;
}

function changelog() {
  const date = new Date(Number(EPOCH) * 1000).toUTCString().replace("GMT", "+0000");
  return `fourtuple (${PACKAGE.version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** @param {string | Buffer} text */
function zipped(text) {
  return gzipSync(text, { level: 9 });
}

/** @param {string} root */
function sizeOf(root) {
  return statSync(join(root, "usr/bin/fourtuple")).size + 200_000;
}
