/** sysexits.h, which systemd names in its logs. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 64;
export const EXIT_SOFTWARE = 70;
export const EXIT_CONFIG = 78;
