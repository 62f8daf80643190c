import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { formatInvitation, InvitationError, type InvitationLine, parseInvitation } from "./invitation.ts";

const bytes = (length: number, first: number) =>
  Uint8Array.from({ length }, (_, i) => (first + i * 37) & 0xff);
const PIN = { point: bytes(33, 2), name: bytes(16, 200) };
const SECRET = bytes(16, 77);
const LINE: InvitationLine = { user: "ann", server: "files.example.org:65432", pin: PIN, secret: SECRET };
const TEXT = formatInvitation(LINE);

Deno.test("the line of an invitation is what the documentation says", () => {
  assertEquals(
    TEXT,
    "fsync://ann@files.example.org:65432/AidMcZa74AUqT3SZvuMILVJ3nMHmCzBVep_E6Q4zWH2i/yO0SN1yBpsvwFTpfhKnO8w/" +
      "TXKXvOEGK1B1mr_kCS5TeA",
  );
  assertEquals(
    formatInvitation({ ...LINE, pin: null }),
    "fsync://ann@files.example.org:65432/plain/TXKXvOEGK1B1mr_kCS5TeA",
  );
});

const LINES: readonly InvitationLine[] = [
  LINE,
  { ...LINE, pin: null },
  { ...LINE, server: "[fe80::1%eth0]:1" },
  { ...LINE, server: "10.0.0.1:65535" },
  { ...LINE, user: "José Müller+x(y)*!~'@corp.org/\"$`" },
];

for (const line of LINES) {
  Deno.test(`an invitation of ${line.user} to ${line.server} can be read, and needs no quotes`, () => {
    const text = formatInvitation(line);
    assertEquals(parseInvitation(text), line);
    assertMatch(text, /^[A-Za-z0-9:\/@%._-]+$/);
  });
}

Deno.test("a line may be pasted with what stood around it", () => {
  const pasted = [
    `  ${TEXT}\n`,
    `fsync join ${TEXT}`,
    `$ fsync join  ${TEXT}\r\n`,
    `"${TEXT}"`,
    `<${TEXT}>`,
    `fsync join '${TEXT}'`,
    `\n\t${TEXT}\t`,
  ];
  for (const text of pasted) assertEquals(parseInvitation(text), LINE, text);
  assertEquals(parseInvitation(TEXT.replace(":65432", "")).server, "files.example.org:65432");
  assertEquals(parseInvitation(TEXT.replace("files.example.org", "[::1]")).server, "[::1]:65432");
});

const [head, key, name, secret] = TEXT.slice("fsync://".length).split("/");

const BAD: readonly (readonly [string, string])[] = [
  ["", "it is empty"],
  [" \n", "it is empty"],
  ["fsync join", "it does not begin with fsync://"],
  ["ann", "it does not begin with fsync://"],
  ["https://example.org", "it does not begin with fsync://"],
  ["fsync://", "it names no user"],
  [`fsync://files.example.org/${key}/${name}/${secret}`, "it names no user"],
  [`fsync://@files.example.org/${key}/${name}/${secret}`, "it names no user"],
  [`fsync://a%00b@host/${key}/${name}/${secret}`, "the user's name is not valid"],
  [`fsync://a%zz@host/${key}/${name}/${secret}`, "it has a % that means nothing"],
  [`fsync://ann@/${key}/${name}/${secret}`, "the server's address is not valid"],
  [`fsync://ann@host:99999/${key}/${name}/${secret}`, "the server's address is not valid"],
  [`fsync://ann@ho%2Fst/${key}/${name}/${secret}`, "the server's address is not valid"],
  [`fsync://${head}`, "the server's key is missing; it was cut"],
  [`fsync://${head}/${key}`, "the server's name is missing; it was cut"],
  [`fsync://${head}/${key}/${name}`, "the secret is missing; it was cut"],
  [`fsync://${head}/${key}/${name}/`, "the secret is missing; it was cut"],
  [`fsync://${head}/plain`, "the secret is missing; it was cut"],
  [TEXT.slice(0, -1), "the secret is too short; it was cut"],
  [TEXT.slice(0, -2), "the secret is too short; it was cut"],
  [`${TEXT}AAAA`, "the secret is too long"],
  [`fsync://${head}/${key}AAAA/${name}/${secret}`, "the server's key is too long"],
  [`fsync://${head}/${key!.slice(4)}/${name}/${secret}`, "the server's key is too short; it was cut"],
  [`fsync://${head}/${key}/${name}/${secret}/more`, "it goes on behind its end"],
  [`fsync://${head}/plain/${secret}/more`, "it goes on behind its end"],
  [`${TEXT.slice(0, -3)}/==`, "it goes on behind its end"],
  [`${TEXT.slice(0, -1)}B`, "the secret is not valid"],
  [`${TEXT.slice(0, -3)}+/=`, "it goes on behind its end"],
  [TEXT.replace("fsync://", "fsync:// "), "there is a space or a line break in it"],
  [`${TEXT.slice(0, 60)}\n${TEXT.slice(60)}`, "there is a space or a line break in it"],
  [`${TEXT} ./client_files`, "there is a space or a line break in it"],
  ["fsync://" + "x".repeat(5000), "it is much too long"],
];

for (const [text, reason] of BAD) {
  Deno.test(`${JSON.stringify(text.slice(0, 40))}… is no invitation: ${reason}`, () => {
    const error = assertThrows(() => parseInvitation(text), InvitationError);
    assertEquals(error.message, `Cannot read the invitation: ${reason}`);
  });
}
