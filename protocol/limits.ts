/** Bounds of the wire, each with its reason. Both sides hold them. */
import { CHUNK_MAX, CHUNK_MIN, SINGLE_CHUNK_MAX } from "../core/chunk.ts";

/** Before authentication a stranger gets no more memory than a Hello needs. */
export const FRAME_BYTES_MAX_BEFORE_AUTH = 4 * 1024;
/** A block, its recipe and 1,000 paths of the greatest length fit. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;
/** Raw bytes in one block: large enough that a frame costs nothing, small enough that frames interleave. */
export const BLOCK_BYTES_MAX = 1024 * 1024;
/** A block may pass its bound by one content, so that a sender need not look ahead. */
export const BLOCK_RAW_BYTES_MAX = BLOCK_BYTES_MAX + Math.max(CHUNK_MAX, SINGLE_CHUNK_MAX);
/** Items of one upload, download or page of changes: the work between two answers stays below ~50 ms. */
export const ITEMS_MAX = 1000;
/** Versions in one page of a history: each may have three texts of 4 KiB, and they stay inside {@link TEXT_BYTES_MAX}. */
export const PAST_VERSIONS_MAX = 400;
/** Conflicts in one page: each has up to three versions and a path of its own. */
export const CONFLICTS_MAX = 100;
/** Ops in one data message. */
export const OPS_MAX = 4096;
/** Bytes of the paths and targets in one message, so that 1,000 items of 4 KiB stay inside a frame. */
export const TEXT_BYTES_MAX = 5 * 1024 * 1024;
/** Bytes of a user, device, folder or software name. */
export const NAME_TEXT_BYTES_MAX = 256;
/** Bytes of a message or hint. */
export const MESSAGE_TEXT_BYTES_MAX = 2048;
/** Longest text of a symbolic link (`PATH_MAX - 1`). */
export const LINK_TARGET_BYTES_MAX = 4095;
/** Requests of one session that may be under way; the next frame is not read before one is answered. */
export const REQUESTS_IN_FLIGHT_MAX = 32;
/** Largest file (8 TiB); a chunk list of it still fits in memory on the server. */
export const FILE_BYTES_MAX = 8 * 2 ** 40;
/** Most chunks that a content can have; each but the last is longer than `CHUNK_MIN`. */
export const CHUNKS_MAX = FILE_BYTES_MAX / CHUNK_MIN;
/** Protocol versions that a client may offer: far more than will be spoken at one time. */
export const VERSIONS_MAX = 32;
/** Bytes of a device's token; ours has 32, other kinds of credential need room too. */
export const TOKEN_BYTES_MAX = 256;
/** Bytes of the one-time secret of an invitation: as hard to guess as an AES-128 key. */
export const SECRET_BYTES = 16;
/** Rules of one user in one folder; with paths of the greatest length they stay inside a frame. */
export const RULES_MAX = 1000;
/** Bytes of a CA certificate as PEM; ours has about 500. */
export const CA_PEM_BYTES_MAX = 16 * 1024;
/** Longest heartbeat that a server may ask for: a dead link must show within minutes, and timers end at 2^31 ms. */
export const HEARTBEAT_MS_MAX = 600_000;
/** Whatever a server asks for, a client is not busy with heartbeats. */
export const HEARTBEAT_MS_MIN = 1_000;
/** Each side says something at least this often. */
export const HEARTBEAT_MS = 15_000;
/** So many without a byte, and the other side is taken for dead. */
export const HEARTBEATS_MISSED_MAX = 3;
/** The same as a time. */
export const SILENCE_MS_MAX = HEARTBEATS_MISSED_MAX * HEARTBEAT_MS;
/** Time for TLS and Hello. */
export const HANDSHAKE_MS_MAX = 10_000;
/** Notices that wait for one slow subscriber before it is told to look again. */
export const NOTICES_QUEUED_MAX = 20_000;
