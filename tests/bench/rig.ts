/** What is measured: a server and its clients, whoever made them. */

export interface Measurement {
  /** Until the client has ended and the other side holds everything. */
  readonly seconds: number;
  /** Bytes of the protocol in both directions, as the program itself counts them; `null` if it does not say. */
  readonly wireBytes: number | null;
  readonly clientPeakBytes: number;
  readonly serverPeakBytes: number;
}

/** A server that runs, with a tree that clients bring things to and fetch things from. */
export interface Rig extends AsyncDisposable {
  readonly name: "fsync" | "rsync";
  /** The server's plain tree. */
  readonly serverTree: string;
  /** Returns when the server has nothing left to do. */
  rest(): Promise<void>;
  /** Makes the server's tree the same as the one in `root`. @throws {Error} if that fails */
  up(root: string): Promise<Measurement>;
  /** Makes the tree in `root` the same as the server's. @throws {Error} if that fails */
  down(root: string): Promise<Measurement>;
}
