/*
 * The two sockets of a fake chip and the thread that serves them. Only fake_chip.c uses it.
 */
#ifndef NUSEC_PROGRAMMER_TESTING_FAKE_BOARD_H
#define NUSEC_PROGRAMMER_TESTING_FAKE_BOARD_H

struct fake_board;
struct fake_chip;

struct fake_board *fake_board_start(struct fake_chip *chip, const char *directory);
void fake_board_stop(struct fake_board *board);

const char *fake_board_uart(const struct fake_board *board);
const char *fake_board_debug(const struct fake_board *board);
void fake_board_close_debug(struct fake_board *board);

/* What has to be in the file the programmer loads as DevAuth: a header and nothing that runs. */
#define FAKE_DEVAUTH_SIZE 128
void fake_board_devauth(unsigned char image[FAKE_DEVAUTH_SIZE]);

#endif
