/** The installed services under a real systemd, confined as their units say. Only for the built file, and as root. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasSystemd, underSystemd } from "./_systemd.ts";

const BINARY = Deno.env.get("FSYNC_BIN");
const ignore = !BINARY || !hasSystemd();

/** Two users, their folders, and functions for the scripts. */
const SETTING = `
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root
echo 'ann:x:64990:64990::/home/ann:/bin/sh' >> /etc/passwd
printf 'ann:x:64990:\\nteam:x:64991:ann\\n' >> /etc/group
mkdir -p /home/ann/docs /srv/files /srv/team /etc/systemd/system
chown 64990:64990 /home/ann /home/ann/docs /srv/files
chown 64990:64991 /srv/team
chmod 2770 /srv/team
PROGRAM=/run/share/fsync
SESSION=
ann() {
  setpriv --reuid 64990 --regid 64990 --groups 64990,64991 \\
    env -u XDG_RUNTIME_DIR HOME=/home/ann USER=ann \${SESSION:+XDG_RUNTIME_DIR=$SESSION} "$@"
}
say() { echo "== $1"; }
wait_for() {
  n=0
  until "$@"; do n=$((n + 1)); [ $n -lt 100 ] || { echo "never: $*"; return; }; sleep 0.1; done
}
`;

/** What was printed after each \`say\`. */
async function run(script: string): Promise<Map<string, string>> {
  const dir = Deno.makeTempDirSync({ prefix: "fsync-systemd-" });
  try {
    Deno.chmodSync(dir, 0o755);
    Deno.copyFileSync(BINARY!, `${dir}/fsync`);
    Deno.chmodSync(`${dir}/fsync`, 0o755);
    const output = await underSystemd(dir, SETTING + script);
    const parts = output.split(/^== /m).slice(1);
    const said = parts.map((part): [string, string] => {
      const end = part.indexOf("\n");
      return [part.slice(0, end), part.slice(end + 1)];
    });
    return new Map(said);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("e2e: services of the system sync, confined, and end in time", { ignore }, async () => {
  const said = await run(`
mkdir -p /etc/systemd/system/fsync-server@srv-files.service.d
cat > /etc/systemd/system/fsync-server@srv-files.service.d/probe.conf <<UNIT
[Service]
ExecStartPre=/bin/sh -c '(touch /usr/x; touch /etc/x; touch /srv/x; unshare -U true; ls /tmp; touch /home/ann/x && echo home) > /srv/files/.fsync-probe 2>&1; true'
UNIT
say install
$PROGRAM install --system --serve /srv/files; echo $?
say probe
cat /srv/files/.fsync-probe; rm /srv/files/.fsync-probe
fsync install --system --watch /srv/team > /dev/null
say sync
ann sh -c 'mkdir /srv/team/d && echo hello > /srv/team/d/a'
wait_for test -f /srv/files/d/a
ann sh -c 'mkdir /srv/files/e && echo hello > /srv/files/e/b'
wait_for test -f /srv/team/e/b
stat -c '%a %U %G' /srv/team/e
wait_for sh -c 'systemctl show -p StatusText fsync-watch@srv-team.service | grep -q "in sync"'
say status
ann fsync status /srv/files | head -1
fsync status /srv/team | head -1
say reload
systemctl reload fsync-watch@srv-team.service; echo $?
systemctl is-active fsync-watch@srv-team.service
say timer
fsync install --system --timer /srv/team > /dev/null
systemctl start fsync-sync-all@srv-team.service; echo $?
say watchdog
mkdir -p /etc/systemd/system/fsync-watch@.service.d
printf '[Service]\\nWatchdogSec=2\\nRestartSec=0\\n' > /etc/systemd/system/fsync-watch@.service.d/soon.conf
systemctl daemon-reload
systemctl restart fsync-watch@srv-team.service
sleep 3
systemctl show -p NRestarts --value fsync-watch@srv-team.service
kill -STOP $(systemctl show -p MainPID --value fsync-watch@srv-team.service)
wait_for sh -c '[ $(systemctl show -p NRestarts --value fsync-watch@srv-team.service) = 1 ]'
wait_for systemctl is-active fsync-watch@srv-team.service > /dev/null
systemctl show -p NRestarts --value fsync-watch@srv-team.service
say stop
began=$(date +%s%N)
systemctl stop fsync-watch@srv-team.service fsync-server@srv-files.service
echo $((($(date +%s%N) - began) / 1000000))
systemctl show -p Result -p ExecMainStatus --value fsync-server@srv-files.service
say usage
printf '[Service]\\nRestartSec=0\\nEnvironment=FSYNC_PORT=none\\n' > /etc/systemd/system/fsync-server@srv-files.service.d/wrong.conf
systemctl daemon-reload
systemctl start fsync-server@srv-files.service 2> /dev/null
sleep 0.5
systemctl show -p NRestarts -p ExecMainStatus --value fsync-server@srv-files.service
say uninstall
fsync uninstall --system > /dev/null; echo $?
systemctl list-units --all --plain --no-legend 'fsync*'
find /usr/local /etc/systemd /etc/fish -path '*fsync*' -type f
`);
  assertMatch(said.get("install")!, /\nServes \/srv\/files, now and from each boot on: .*\n0\n$/);
  assertEquals(
    said.get("probe")!.split("\n").filter((line) => line.startsWith("touch")).map((line) =>
      line.split(": ").at(-1)
    ),
    Array(3).fill("Read-only file system"),
  );
  assertMatch(said.get("probe")!, /unshare failed: Operation not permitted\nhome\n$/);
  assertEquals(said.get("sync"), "2775 ann team\n");
  assertMatch(said.get("status")!, /^in sync: 2 files, .*\nin sync: 2 files, /);
  assertEquals(said.get("reload"), "0\nactive\n");
  assertEquals(said.get("timer"), "0\n");
  assertEquals(said.get("watchdog"), "0\n1\n");
  const [ms, ...result] = said.get("stop")!.trimEnd().split("\n");
  assert(Number(ms) < 2000, `${ms} ms`);
  assertEquals(result.toSorted(), ["0", "success"]);
  assertEquals(said.get("usage")!.trimEnd().split("\n").toSorted(), ["0", "2"]);
  assertMatch(said.get("uninstall")!, /^0\n\/etc\/systemd\/system\/fsync-.*(wrong|soon|probe)\.conf\n/);
  assert(!said.get("uninstall")!.includes("/usr/local"), said.get("uninstall"));
});

Deno.test("e2e: services of a user sync from login on", { ignore }, async () => {
  const said = await run(`
SESSION=/run/user/64990
mkdir -p $SESSION && chown ann: $SESSION && chmod 700 $SESSION
cat > /etc/systemd/system/session.service <<UNIT
[Service]
User=ann
Environment=XDG_RUNTIME_DIR=$SESSION
ExecStart=/lib/systemd/systemd --user --log-target=null
Type=notify
Delegate=yes
UNIT
systemctl daemon-reload
systemctl start session.service
say install
ann sh -c "cd; mkdir files; $PROGRAM install --serve files --watch docs"; echo $?
say sync
ann sh -c 'echo hello > ~/docs/a'
wait_for test -f /home/ann/files/a
ann /home/ann/.local/bin/fsync status /home/ann/files | head -1
say confined
grep -E 'NoNewPrivs|Seccomp:' /proc/$(ann systemctl --user show -p MainPID --value fsync-server@home-ann-files.service)/status
say upgrade
before=$(ann systemctl --user show -p MainPID --value fsync-watch@home-ann-docs.service)
cp $PROGRAM /run/newer
printf x >> /run/newer
ann /home/ann/.local/bin/fsync install --from /run/newer > /dev/null; echo $?
after=$(ann systemctl --user show -p MainPID --value fsync-watch@home-ann-docs.service)
[ "$before" != "$after" ] && echo restarted
say relogin
systemctl restart session.service
wait_for ann systemctl --user is-active fsync-watch@home-ann-docs.service > /dev/null
echo running
say uninstall
ann /home/ann/.local/bin/fsync uninstall > /dev/null; echo $?
ann systemctl --user list-units --all --plain --no-legend 'fsync*'
find /home/ann -path '*/.local/*' -type f -o -path '*/.config/*' -type f
`);
  assertMatch(said.get("install")!, /\nWatches \/home\/ann\/docs, now and from each login on: /);
  assertStringIncludes(said.get("install")!, "sudo loginctl enable-linger ann\n");
  assertMatch(said.get("install")!, /\n0\n$/);
  assertMatch(said.get("sync")!, /^in sync: 1 file/);
  assertEquals(said.get("confined"), "NoNewPrivs:\t1\nSeccomp:\t2\n");
  assertEquals(said.get("upgrade"), "0\nrestarted\n");
  assertEquals(said.get("relogin"), "running\n");
  assertMatch(said.get("uninstall")!, /^0\n(\/home\/ann\/\.local\/state\/fsync\/.*\n)+$/);
});
