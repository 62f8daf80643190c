import { assertEquals } from "@std/assert";
import { Rights, type Rule } from "../../core/access.ts";
import { parsePath } from "../../core/path.ts";
import { ContentsError } from "../store/contents.ts";
import { RecordsError } from "../store/records.ts";
import { answerFor } from "./failures.ts";

const FILE = "/srv/files/.fsync/packs/7.pack";

Deno.test("failures: what the store says goes to those who have the whole folder, others hear that it failed", () => {
  const errors = [
    new ContentsError("corrupt", `Cannot read "${FILE}": damaged`),
    new ContentsError("limit", `Cannot take more for "${FILE}"`),
    new ContentsError("missing", `Cannot find "${FILE}"`),
    new RecordsError("damaged", `Cannot read "${FILE}": damaged`),
  ];
  const parts: readonly (readonly Rule[])[] = [
    [],
    [{ prefix: parsePath("docs"), access: "write", history: true }],
    [{ prefix: null, access: "read", history: true }],
    [
      { prefix: null, access: "write", history: true },
      { prefix: parsePath("docs"), access: "none", history: false },
    ],
  ];
  for (const error of errors) {
    assertEquals(answerFor(error, Rights.ALL)?.message, error.message);
    for (const rules of parts) {
      const answer = answerFor(error, new Rights(rules))!;
      assertEquals(answer.code, answerFor(error, Rights.ALL)!.code);
      assertEquals([answer.message.includes(FILE), answer.hint], [false, ""]);
    }
  }
});

Deno.test("failures: a full disk is the server's, and is told to all without the name of a file there", () => {
  const errors = [
    new ContentsError("no_space", `Cannot write "${FILE}": no space left`),
    new RecordsError("no_space", `Cannot write "${FILE}"`),
  ];
  for (const error of errors) {
    for (const rights of [Rights.ALL, new Rights([])]) {
      const { code, message } = answerFor(error, rights)!;
      assertEquals([code, message], ["noSpace", "Cannot store more: no space is left on the server"]);
    }
  }
});

Deno.test("failures: what nobody foresaw is no answer: the session ends", () => {
  assertEquals(answerFor(new TypeError("x"), Rights.ALL), null);
  assertEquals(answerFor("x", new Rights([])), null);
});
