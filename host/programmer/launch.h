/*
 * Starting nothing but the OEM's own programmer software.
 *
 * launch_verify opens the binary once, copies it into a sealed memory file, and verifies that copy
 * against the manifest and the boot key pinned in the state directory; launch_execute runs the
 * very copy. Nobody can change the bytes between the check and the start, not even a writer who
 * had the file open before.
 *
 * What it does not cover: the loader and shared libraries of the operating system (the system's
 * own verified boot) and whoever may write the state directory.
 */
#ifndef NUSEC_PROGRAMMER_LAUNCH_H
#define NUSEC_PROGRAMMER_LAUNCH_H

#include "base/error.h"

enum launch_policy {
    LAUNCH_SIGNED_ONLY,
    LAUNCH_UNPREPARED, /* also start unverified while no boot key is pinned */
};

struct launch_request {
    const char *state_directory;
    const char *program; /* path of the nusec-programmer binary */
    enum launch_policy policy;
};

/*
 * On success a descriptor that is ready to be executed and closed by nobody else.
 * ERROR_NOT_PREPARED: no boot key or no manifest. ERROR_UNTRUSTED_SOFTWARE: other key, altered
 * binary, or a counter below the floor. A higher counter raises the floor durably before this
 * returns.
 */
int launch_verify(const struct launch_request *request, int *descriptor, struct error *error);

/* Replaces the process; returns only on failure. `arguments` is NULL-terminated. The environment
 * is reduced to what cannot change which code runs. */
int launch_execute(int descriptor, char *const arguments[], struct error *error);

/* The manifest of the programmer's own software, and the lowest counter that may still start. */
#define LAUNCH_MANIFEST_FILE "software.cose"
#define LAUNCH_FLOOR_FILE    "software.floor"

/* 0 if there is no floor yet. */
int launch_floor_load(const char *state_directory, unsigned long long *floor, struct error *error);

#endif
