/**
 * Messages as bytes: type (u8), request id (u32, big endian), then the message's fields in the order that
 * `docs/protocol.md` gives. Reading trusts nothing: every length is checked before memory is taken for it.
 */
import { CHANGE_MESSAGES } from "./_change_messages.ts";
import { CONTENT_MESSAGES } from "./_content_messages.ts";
import type { Fields, FieldsOf } from "./_fields.ts";
import { HISTORY_MESSAGES } from "./_history_messages.ts";
import { Reader } from "./_reader.ts";
import { SESSION_MESSAGES } from "./_session_messages.ts";
import { Writer } from "./_writer.ts";
import { FRAME_BYTES_MAX } from "./limits.ts";
import type { Envelope, Message, MessageType } from "./messages.ts";

const FIELDS: FieldsOf<MessageType> = {
  ...SESSION_MESSAGES,
  ...CHANGE_MESSAGES,
  ...CONTENT_MESSAGES,
  ...HISTORY_MESSAGES,
};
const BY_NUMBER = new Map(
  Object.entries(FIELDS).map((
    [type, fields],
  ) => [fields.number, { type, fields: fields as Fields<Message> }]),
);

// Encoding never waits, so one writer serves all.
const writer = new Writer();

/**
 * The frame of a message, in memory of its own.
 *
 * @throws {ProtocolError} if the message breaks a rule that the other side would refuse it for. Only texts for people
 * (messages, hints, reasons) are cut to fit instead.
 */
export function encode(envelope: Envelope): Uint8Array {
  const { id, message } = envelope;
  const fields = FIELDS[message.type] as Fields<Message>;
  writer.begin(message.type);
  writer.u8(fields.number);
  writer.u32("the request id", id);
  fields.write(writer, message);
  return writer.finish();
}

/**
 * The message in a frame. Bytes in it (blocks, tokens, chunk ids, prefixes) are views on the frame, not copies: the
 * frame's memory must not be used again while they are needed.
 *
 * @throws {ProtocolError} if the frame is anything but one whole message that keeps all rules
 */
export function decode(frame: Uint8Array): Envelope {
  const reader = new Reader(frame);
  if (frame.length > FRAME_BYTES_MAX) reader.fail("it is too long");
  const number = reader.u8();
  const id = reader.u32();
  const known = BY_NUMBER.get(number);
  if (known === undefined) return reader.fail(`its type ${number} is unknown`);
  reader.begin(known.type);
  const message = known.fields.read(reader);
  reader.end();
  return { id, message };
}
