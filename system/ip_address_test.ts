import { assertEquals } from "@std/assert";
import { addressBytes } from "./ip_address.ts";

const cases: [text: string, hex: string | null][] = [
  ["127.0.0.1", "7f000001"],
  ["255.255.255.255", "ffffffff"],
  ["256.0.0.1", null],
  ["1.2.3", null],
  ["localhost", null],
  ["::", "00".repeat(16)],
  ["::1", "00".repeat(15) + "01"],
  ["2001:db8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
  ["2001:DB8::6", "20010db8000000000000000000000006"],
  ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ["::ffff:10.0.0.7", "00".repeat(10) + "ffff0a000007"],
  ["1::2::3", null],
  ["1:2:3:4:5:6:7", null],
  ["1:2:3:4:5:6:7::8", null],
  ["1:2:3:4:5:6:7:8:9", null],
  ["::12345", null],
  ["::10.0.0.7:1", null],
];
for (const [text, hex] of cases) {
  Deno.test(`the address ${text} ${hex === null ? "is none" : "has its bytes"}`, () => {
    assertEquals(addressBytes(text)?.toHex() ?? null, hex);
  });
}
