/**
 * A systemd of its own for one script: in namespaces, over a copy of this machine's files that lies in memory, with no
 * other units. So units are tried as they are, with all their confinement, and nothing of the machine is touched.
 */

/** Longest time for a script, ms. */
const PATIENCE_MS = 120_000;
const LOOK_MS = 100;

/**
 * Runs in the namespaces, as process 1. `$1` is the directory that both sides see.
 *
 * The units of the machine are hidden; those few targets that every service needs stand in their place.
 */
const BOOT = `
set -e
mount --make-rprivate /
mkdir "$1/over"
mount -t tmpfs tmpfs "$1/over"
cd "$1/over"
mkdir up work root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/share run/units
mount --bind "$1" run/share
ip link set lo up
for target in basic sysinit local-fs multi-user timers network shutdown umount paths slices sockets; do
  printf '[Unit]\\nDescription=%s\\nDefaultDependencies=no\\n' $target > run/units/$target.target
done
printf '[Unit]\\nRequires=script.service\\nDefaultDependencies=no\\n' > run/units/default.target
cat > run/units/script.service <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /run/share/script
StandardOutput=file:/run/share/output
StandardError=inherit
ExecStopPost=/bin/touch /run/share/done
UNIT
mount --bind run/units usr/lib/systemd/system
mount -t tmpfs tmpfs etc/systemd/system
export container=test
exec chroot . /lib/systemd/systemd --system --log-target=null --show-status=no
`;

/** Whether this machine lets us have such a systemd. */
export function hasSystemd(): boolean {
  if (Deno.uid() !== 0) return false;
  try {
    Deno.statSync("/lib/systemd/systemd");
    const probe = [
      "-m",
      "-p",
      "-f",
      "-u",
      "-i",
      "-C",
      "-n",
      "sh",
      "-c",
      "mount -t tmpfs tmpfs /mnt && command -v ip",
    ];
    return new Deno.Command("unshare", { args: probe, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Runs `script` by `sh` under a systemd, with `dir` at `/run/share`.
 * @returns what it printed
 */
export async function underSystemd(dir: string, script: string): Promise<string> {
  Deno.writeTextFileSync(`${dir}/script`, script);
  const child = new Deno.Command("unshare", {
    args: ["-m", "-p", "-f", "-u", "-i", "-C", "-n", "--kill-child", "sh", "-c", BOOT, "sh", dir],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const trouble = new Response(child.stderr).text();
  try {
    const deadline = performance.now() + PATIENCE_MS;
    while (!exists(`${dir}/done`)) {
      if (performance.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } finally {
    // With it goes process 1 of the namespace, and with that everything in it.
    child.kill("SIGKILL");
    await child.status;
  }
  const output = exists(`${dir}/output`) ? Deno.readTextFileSync(`${dir}/output`) : "";
  if (!exists(`${dir}/done`)) throw new Error(`systemd did not do it: ${await trouble}\n${output}`);
  return output;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
