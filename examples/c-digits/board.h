/* What the firmware needs of its board. */
#ifndef BOARD_H
#define BOARD_H

/* Writes a text to the debugger or emulator, by semihosting. */
void print(const char *text);

#endif
