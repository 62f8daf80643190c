import { assertEquals, assertMatch } from "@std/assert";
import { configDir, type Environment, runtimeDir, runtimeDirs, stateDir } from "./state_dirs.ts";

function environment(variables: Record<string, string>): Environment {
  const map = new Map(Object.entries(variables));
  return (name) => map.get(name);
}

const all = (variables: Record<string, string>) => {
  const env = environment(variables);
  return { config: configDir(env), state: stateDir(env), runtime: runtimeDir(env) };
};

Deno.test("the XDG variables name the three places", () => {
  assertEquals(all({ HOME: "/h", XDG_CONFIG_HOME: "/c", XDG_STATE_HOME: "/s/", XDG_RUNTIME_DIR: "/r" }), {
    config: "/c/fsync",
    state: "/s/fsync",
    runtime: "/r/fsync",
  });
});

Deno.test("without them the places are in the home directory; relative and empty ones do not count", () => {
  for (const value of ["", "relative"]) {
    const dirs = all({ HOME: "/h", XDG_CONFIG_HOME: value, XDG_STATE_HOME: value, XDG_RUNTIME_DIR: value });
    assertEquals([dirs.config, dirs.state], ["/h/.config/fsync", "/h/.local/state/fsync"]);
    assertMatch(dirs.runtime, /^(\/run\/user\/[0-9]+\/fsync|\/h\/\.local\/state\/fsync\/run)$/);
  }
});

Deno.test("FSYNC_STATE_DIR takes the place of all three", () => {
  const dirs = all({ HOME: "/h", XDG_CONFIG_HOME: "/c", XDG_RUNTIME_DIR: "/r", FSYNC_STATE_DIR: "/o" });
  assertEquals(dirs, { config: "/o", state: "/o", runtime: "/o" });
  assertEquals(stateDir(environment({ FSYNC_STATE_DIR: "here" })), `${Deno.cwd()}/here`);
});

Deno.test("sockets are looked for where services of the system have them, too", () => {
  const services = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${services}/srv-files/fsync`, { recursive: true });
    Deno.mkdirSync(`${services}/starting`);
    const env = environment({ HOME: "/h", XDG_RUNTIME_DIR: "/r" });
    const missing = Deno.uid() === 0 ? [`${services}/starting/fsync`] : [];
    assertEquals(
      runtimeDirs(env, services).toSorted(),
      ["/r/fsync", `${services}/srv-files/fsync`, ...missing].toSorted(),
    );
    assertEquals(runtimeDirs(env, `${services}/nowhere`), ["/r/fsync"]);
    assertEquals(runtimeDirs(environment({ FSYNC_STATE_DIR: "/o" }), services), ["/o"]);
  } finally {
    Deno.removeSync(services, { recursive: true });
  }
});
