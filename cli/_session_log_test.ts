import { assertEquals, assertNotMatch } from "@std/assert";
import type { LogRecord } from "./_journal.ts";
import { sessionLog } from "./_session_log.ts";

/** The lines that go to the log. */
function lines(act: (log: ReturnType<typeof sessionLog>) => void): string[] {
  const said: string[] = [];
  const journal = { write: (_: LogRecord, text: string | null) => void said.push(text ?? "") };
  act(sessionLog(journal, { warn: (text) => void said.push(text) }));
  return said;
}

const GUEST = { user: "ann", device: "laptop", folder: "main", peer: "10.0.0.7:4711" };

Deno.test("session log: who came, went, joined, and who did not get in", () => {
  const said = lines((log) => {
    log.onOpen(GUEST);
    log.onClose(GUEST, "closed");
    log.onJoined(GUEST);
    log.onFailed({ network: "10.0.0.7", count: 1 });
    log.onFailed({ network: "10.0.0.7", count: 57 });
    log.onFailed({ network: null, count: 1234 });
  });
  assertEquals(said, [
    "Connected: ann@laptop from 10.0.0.7:4711",
    "Disconnected: ann@laptop (closed)",
    "Joined: ann@laptop from 10.0.0.7:4711, by an invitation to folder main",
    "Refused: a sign-in from 10.0.0.7",
    "Refused: 57 sign-ins from 10.0.0.7 in the last minute",
    "Refused: 1,234 sign-ins from many other addresses in the last minute",
  ]);
});

Deno.test("session log: nothing that came from outside acts on a terminal or makes a second line", () => {
  const evil = "x\x1b]0;owned\x07\r\nConnected: root\u202e\x9b2J";
  const said = lines((log) => {
    const guest = { user: evil, device: evil, folder: evil, peer: evil };
    log.onOpen(guest);
    log.onClose(guest, evil);
    log.onJoined(guest);
    log.onFailed({ network: evil, count: 2 });
  });
  assertEquals(said.length, 4);
  // deno-lint-ignore no-control-regex
  for (const line of said) assertNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/);
});
