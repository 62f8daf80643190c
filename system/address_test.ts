import { assertEquals, assertThrows } from "@std/assert";
import { AddressError, formatAddress, isOwnHost, parseAddress } from "./address.ts";

const valid: [text: string, host: string, port: number][] = [
  ["nas", "nas", 65432],
  ["nas:1", "nas", 1],
  ["NAS.Example.org:65535", "nas.example.org", 65535],
  ["10.0.0.1:80", "10.0.0.1", 80],
  ["::1", "::1", 65432],
  ["[::1]", "::1", 65432],
  ["[::1]:80", "::1", 80],
  ["[fe80::1%eth0]:80", "fe80::1%eth0", 80],
];
for (const [text, host, port] of valid) {
  Deno.test(`"${text}" is ${host}, port ${port}`, () => {
    assertEquals(parseAddress(text), { host, port });
    assertEquals(parseAddress(formatAddress(host, port)), { host, port });
  });
}

for (
  const text of [
    "",
    ":80",
    "a:",
    "a:b",
    "a:0",
    "a:65536",
    "..:1",
    "a/b:1",
    "a b:1",
    "[::1",
    "[]:1",
    "x:y:z",
    "-a:1",
  ]
) {
  Deno.test(`"${text}" is no address`, () => {
    assertThrows(() => parseAddress(text), AddressError, `Cannot use "${text}"`);
  });
}

Deno.test("this machine is known by its usual names", () => {
  for (
    const host of [
      "localhost",
      "LOCALHOST",
      "127.0.0.1",
      "127.1.2.3",
      "::1",
      "0.0.0.0",
      "::",
      Deno.hostname(),
    ]
  ) {
    assertEquals(isOwnHost(host), true, host);
  }
  for (const host of ["nas", "128.0.0.1", "127.example.org", "localhost.example.org", "::2"]) {
    assertEquals(isOwnHost(host), false, host);
  }
});
