import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createIdentity, type Identity, IdentityError } from "./identity.ts";
import { anchorFor, isPinned, NAME_BYTES, pinOf, POINT_BYTES, type ServerPin } from "./server_pin.ts";
import { ConnectError, connectTcp, listen } from "./tcp_link.ts";

const mine = await createIdentity();
const other = await createIdentity();
const pin = pinOf(mine.caPem);

/** What a server with `identity` answers to somebody who joins with `pin`: a greeting, or why there is none. */
async function greeting(identity: Identity, pin: ServerPin): Promise<string> {
  const listener = listen({ hostname: "127.0.0.1", port: 0, tls: identity });
  const serving = listener.accept().then(async (link) => {
    await link!.send(new TextEncoder().encode("welcome")).catch(() => {});
    // Until the other side has it.
    await link!.receive().catch(() => null);
    link!.close();
  });
  try {
    const link = await connectTcp("127.0.0.1", listener.port, { tls: await anchorFor(pin) });
    const frame = await link.receive();
    link.close();
    return new TextDecoder().decode(frame!);
  } catch (error) {
    assert(error instanceof ConnectError, String(error));
    return error.code;
  } finally {
    await serving;
    listener.close();
  }
}

Deno.test("a pin is short, and stands for one CA", () => {
  assertEquals([pin.point.length, pin.name.length], [POINT_BYTES, NAME_BYTES]);
  assertEquals([isPinned(mine.caPem, pin), isPinned(other.caPem, pin)], [true, false]);
  const theirs = pinOf(other.caPem);
  assertEquals(isPinned(mine.caPem, { point: pin.point, name: theirs.name }), false);
  assertEquals(isPinned(mine.caPem, { point: theirs.point, name: pin.name }), false);
  assertEquals(isPinned(mine.caPem, { point: pin.point.subarray(1), name: pin.name }), false);
  assertEquals(isPinned(mine.certPem, pin), false);
  for (const text of ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]) {
    assertThrows(() => isPinned(text, pin), IdentityError);
  }
});

Deno.test("with the pin alone one reaches the server", async () => {
  assertEquals(await greeting(mine, pin), "welcome");
});

Deno.test("another server is refused: another key, another name, or both", async () => {
  const theirs = pinOf(other.caPem);
  assertEquals(await greeting(other, pin), "tls");
  assertEquals(await greeting(other, { point: pin.point, name: theirs.name }), "tls");
  assertEquals(await greeting(mine, { point: pin.point, name: theirs.name }), "tls");
});

Deno.test("a key that is none is refused with a reason", async () => {
  for (
    const point of [new Uint8Array(33), new Uint8Array(0), pin.point.with(0, 9), pin.point.subarray(0, 32)]
  ) {
    await assertRejects(() => anchorFor({ point, name: pin.name }), IdentityError, "not a key");
  }
});
