// Which redis-server this one stands for.

/** The version that is announced: the one whose behaviour the server follows. */
export const serverVersion = '7.0.15';
