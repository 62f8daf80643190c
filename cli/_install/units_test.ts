import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  escapePath,
  fitsUnit,
  instanceName,
  ownerDropIn,
  SERVICE_KINDS,
  templateName,
  unitFiles,
  wantedBy,
} from "./units.ts";

/** A program of systemd that answers, `null` where it is not installed. */
function systemd(program: string, args: readonly string[], env: { [name: string]: string } = {}) {
  try {
    const { success, stdout, stderr } = new Deno.Command(program, { args: [...args], env }).outputSync();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const PATHS = [
  "/home/ann/docs",
  "/",
  "/srv/My Files",
  "/a/.hidden/b.c",
  "/.top",
  "/with-dash/under_score:colon",
  "/größe/日本",
  '/100%/$HOME/it\'s "quoted"',
  "/back\\slash",
  "//double//slash/",
  "/line\nbreak",
];

Deno.test("a path becomes the name that systemd gives it", {
  ignore: systemd("systemd-escape", ["--version"]) === null,
}, () => {
  for (const path of PATHS) {
    const answer = systemd("systemd-escape", ["--path", "--", path]);
    assertEquals(escapePath(path), answer?.stdout.replace(/\n$/, ""), path);
  }
});

Deno.test("a folder has a name for each thing that runs on it", () => {
  assertEquals(instanceName("watch", "/home/ann/My Docs"), "fsync-watch@home-ann-My\\x20Docs.service");
  assertEquals(instanceName("sync-all", "/srv/x"), "fsync-sync-all@srv-x.timer");
  assertEquals(templateName("sync-all"), "fsync-sync-all@.timer");
  assertEquals(SERVICE_KINDS.map((kind) => wantedBy(kind, false)), [
    "default.target",
    "default.target",
    "timers.target",
  ]);
  assertEquals(wantedBy("server", true), "multi-user.target");
});

for (const system of [false, true]) {
  for (const name of ["fsync", "an f%s$ync"]) {
    const whose = system ? "the system" : "a user";
    Deno.test(`systemd accepts the units of ${whose} for a program named ${name}`, {
      ignore: systemd("systemd-analyze", ["--version"]) === null,
    }, () => verifyUnits(system, name));
  }
}

/** Has systemd itself read the units, for a folder with a name that has to be escaped. */
function verifyUnits(system: boolean, name: string): void {
  const dir = Deno.makeTempDirSync({ prefix: "fsync-units-" });
  try {
    const executable = `${dir}/${name}`;
    const folder = `${dir}/my files`;
    Deno.writeTextFileSync(executable, "#!/bin/sh\n", { mode: 0o755 });
    Deno.mkdirSync(folder);
    Deno.mkdirSync(`${dir}/units`);
    for (const unit of unitFiles({ executable, system })) {
      Deno.writeTextFileSync(`${dir}/units/${unit.name}`, unit.text);
    }
    for (const unit of instancesOf(folder)) {
      if (system && unit.endsWith(".service")) addOwner(`${dir}/units/${unit}.d`);
      const answer = systemd(
        "systemd-analyze",
        ["verify", "--man=no", ...(system ? [] : ["--user"]), unit],
        { SYSTEMD_UNIT_PATH: `${dir}/units:`, XDG_RUNTIME_DIR: dir },
      );
      assertEquals([answer?.success, answer?.stderr], [true, ""], unit);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function instancesOf(folder: string): string[] {
  return [
    ...SERVICE_KINDS.map((kind) => instanceName(kind, folder)),
    `fsync-sync-all@${escapePath(folder)}.service`,
  ];
}

function addOwner(dir: string): void {
  Deno.mkdirSync(dir);
  Deno.writeTextFileSync(`${dir}/fsync.conf`, ownerDropIn({ user: "daemon", home: "/home/no body" }));
}

Deno.test("a program that systemd cannot start is known before", () => {
  for (const name of ["it's", 'a "b"', "a\\b", "a\nb"]) {
    assertEquals(fitsUnit(`/opt/${name}/fsync`), false, name);
  }
  for (const name of ["a b", "100%", "größe", "$x"]) assert(fitsUnit(`/opt/${name}/fsync`), name);
});

Deno.test("units leave V8 and shared folders what they need", () => {
  for (
    const { name, text } of [true, false].flatMap((system) => unitFiles({ executable: "/bin/fsync", system }))
  ) {
    assert(!/^(MemoryDenyWriteExecute|RestrictSUIDSGID|PrivateUsers|ProcSubset)=/m.test(text), name);
    if (!name.endsWith(".service")) continue;
    assertStringIncludes(text, "\nNoNewPrivileges=yes\n");
    assertStringIncludes(text, "AF_UNIX");
  }
  const server = unitFiles({ executable: "/bin/fsync", system: true })[0]!.text;
  assertStringIncludes(server, "\nRestartPreventExitStatus=2 3 4 8\n");
  assertStringIncludes(server, "\nProtectSystem=strict\nReadWritePaths=%f ");
});
