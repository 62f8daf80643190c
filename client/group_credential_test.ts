import { assertEquals, assertThrows } from "@std/assert";
import { ExposedFileError } from "../system/private_file.ts";
import { shareFolder } from "../system/share_folder.ts";
import type { Environment } from "../system/state_dirs.ts";
import type { Credential } from "./credentials.ts";
import {
  leaveCredential,
  readFolderCredential,
  readLeftCredential,
  writeFolderCredential,
} from "./group_credential.ts";

const NAS: Credential = {
  server: "nas.example.org:65432",
  tls: { caPem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
  device: "00112233445566778899aabbccddeeff",
  token: "abc-_123",
  user: "devs",
  folder: "ffeeddccbbaa99887766554433221100",
};
const LOCAL: Credential = { ...NAS, server: "localhost:7000" };
const GID = Deno.uid() === 0 ? 12_345 : Deno.gid()!;

function inDirectory(body: (dir: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync();
    try {
      body(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

function mode(path: string): string {
  const info = Deno.statSync(path);
  return `${(info.mode! & 0o777).toString(8)} ${info.gid}`;
}

Deno.test(
  "a shared folder's credential is for its group and its server",
  inDirectory((root) => {
    assertEquals(readFolderCredential(root, NAS.server), null);
    shareFolder(root, GID);
    assertEquals(readFolderCredential(root, NAS.server), null);
    writeFolderCredential(root, "nas:65432", NAS, GID);
    assertEquals(mode(`${root}/.fsync/credential.json`), `640 ${GID}`);
    assertEquals(readFolderCredential(root, "NAS"), { ...NAS, server: "nas:65432" });
    assertEquals(readFolderCredential(root, "elsewhere"), null);
    // Sharing once more leaves it as it is.
    assertEquals(shareFolder(root, GID).left, []);
    assertEquals(mode(`${root}/.fsync/credential.json`), `640 ${GID}`);
  }),
);

Deno.test(
  "a folder's credential that more than its group may read, or may change, is refused",
  inDirectory((root) => {
    shareFolder(root, GID);
    const path = `${root}/.fsync/credential.json`;
    for (const wrong of [0o644, 0o660, 0o666, 0o641]) {
      writeFolderCredential(root, NAS.server, NAS, GID);
      Deno.chmodSync(path, wrong);
      assertThrows(() => readFolderCredential(root, NAS.server), ExposedFileError, "other users");
    }
    if (Deno.uid() !== 0) return;
    writeFolderCredential(root, NAS.server, NAS, GID);
    Deno.chownSync(path, 0, GID + 1);
    assertThrows(() => readFolderCredential(root, NAS.server), ExposedFileError);
    // In a folder that no group shares, nobody but its owner may read it, and it is not looked at.
    Deno.chmodSync(`${root}/.fsync`, 0o700);
    assertEquals(readFolderCredential(root, NAS.server), null);
  }),
);

Deno.test(
  "a server leaves a credential for a group in a directory that was made for it",
  inDirectory((dir) => {
    const env: Environment = (name) => name === "FSYNC_SHARED_DIR" ? `${dir}/shared` : undefined;
    assertEquals(readLeftCredential("localhost:7000", null, env), null);
    assertThrows(() => leaveCredential(LOCAL, GID, env), Deno.errors.NotFound);
    Deno.mkdirSync(`${dir}/shared`);
    Deno.chmodSync(`${dir}/shared`, 0o777);
    assertThrows(() => leaveCredential(LOCAL, GID, env), ExposedFileError);
    Deno.chmodSync(`${dir}/shared`, 0o755);
    assertEquals(leaveCredential(LOCAL, GID, env), `${dir}/shared/localhost_7000.json`);
    assertEquals(mode(`${dir}/shared/localhost_7000.json`), `640 ${GID}`);
    assertEquals(readLeftCredential("127.0.0.1:7000", null, env), LOCAL);
    assertEquals(readLeftCredential("localhost:7001", null, env), null);
    assertEquals(readLeftCredential("localhost:7000", GID, env), LOCAL);
    assertEquals(readLeftCredential("localhost:7000", GID + 1, env), null);
    Deno.chmodSync(`${dir}/shared`, 0o775);
    assertThrows(() => readLeftCredential("localhost:7000", null, env), ExposedFileError);
    Deno.chmodSync(`${dir}/shared`, 0o755);
    Deno.chmodSync(`${dir}/shared/localhost_7000.json`, 0o660);
    assertThrows(() => readLeftCredential("localhost:7000", null, env), ExposedFileError);
    if (Deno.uid() !== 0) return;
    // Put there by somebody for whom the directory was not made.
    leaveCredential(LOCAL, GID, env);
    Deno.chownSync(`${dir}/shared/localhost_7000.json`, 4242, GID);
    assertThrows(() => readLeftCredential("localhost:7000", null, env), ExposedFileError);
  }),
);
