import { assertEquals, assertGreater } from "@std/assert";
import { openFilesMax } from "./open_files.ts";

Deno.test("the limit of open files is the one of the system", () => {
  const { stdout } = new Deno.Command("sh", { args: ["-c", "ulimit -Hn"] }).outputSync();
  const hard = new TextDecoder().decode(stdout).trim();
  if (hard === "unlimited") assertGreater(openFilesMax(), 1024);
  else assertEquals(openFilesMax(), Number(hard));
});
