import { assertEquals } from "@std/assert";
import { networkOf } from "./network.ts";

const cases: [peer: string, network: string][] = [
  ["10.0.0.7:51234", "10.0.0.7"],
  ["127.0.0.1:1", "127.0.0.1"],
  ["[::1]:51234", "0:0:0:0::/64"],
  ["[2001:db8:1:2:3:4:5:6]:9", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2:ffff::1]:9", "2001:db8:1:2::/64"],
  ["[2001:db8::1]:9", "2001:db8:0:0::/64"],
  ["[fe80::1%eth0]:9", "fe80:0:0:0::/64"],
  ["[::ffff:10.0.0.7]:9", "10.0.0.7"],
  ["[::ffff:a00:7]:9", "10.0.0.7"],
  ["[1::2::3]:9", "1::2::3"],
  ["[1:2:3]:9", "1:2:3"],
  ["client A", "client A"],
];
for (const [peer, network] of cases) {
  Deno.test(`a peer at ${peer} counts as ${network}`, () => assertEquals(networkOf(peer), network));
}
