/** The server's plain tree, where clients are counted from 0. */
export const S = -1;
