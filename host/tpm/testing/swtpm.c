#include "tpm/testing/swtpm.h"

#include "base/endpoint.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fts.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A test that fails does not stop it: it ends with the test, and does not keep its output open. */
static void child_begin(void) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(126);
}

static void swtpm_exec(const struct swtpm *swtpm) {
    char state[128];
    char server[160];
    char control[160];
    char log[128];
    (void)snprintf(state, sizeof state, "dir=%s/state", swtpm->directory);
    (void)snprintf(server, sizeof server, "type=unixio,path=%s/socket", swtpm->directory);
    (void)snprintf(control, sizeof control, "type=unixio,path=%s/socket.ctrl", swtpm->directory);
    (void)snprintf(log, sizeof log, "file=%s/log", swtpm->directory);
    child_begin();
    (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
                 "--ctrl", control, "--log", log, "--flags", "not-need-init,startup-clear",
                 (char *)NULL);
    _exit(127);
}

/* A socket is there before anybody listens at it, and the one for commands comes last. */
static bool listens(const char *path) {
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX};
    struct error error;
    (void)snprintf(endpoint.address, sizeof endpoint.address, "%s", path);
    int fd = endpoint_connect(&endpoint, 1000, &error);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

void swtpm_start(struct swtpm *swtpm) {
    const struct timespec moment = {.tv_nsec = 5000000};
    char control[128];
    char commands[128];
    bool is_ready = false;
    (void)snprintf(control, sizeof control, "%s/socket.ctrl", swtpm->directory);
    (void)snprintf(commands, sizeof commands, "%s/socket", swtpm->directory);
    swtpm->process = fork();
    assert_true(swtpm->process >= 0);
    if (swtpm->process == 0)
        swtpm_exec(swtpm);
    for (int i = 0; i < 2000 && !(is_ready = listens(control) && listens(commands)); i++)
        (void)nanosleep(&moment, NULL);
    assert_true(is_ready);
}

void swtpm_stop(struct swtpm *swtpm) {
    char path[128];
    int status = 0;
    (void)kill(swtpm->process, SIGTERM);
    assert_int_equal(waitpid(swtpm->process, &status, 0), swtpm->process);
    (void)snprintf(path, sizeof path, "%s/socket", swtpm->directory);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/socket.ctrl", swtpm->directory);
    (void)unlink(path);
}

static void place(struct swtpm *swtpm) {
    static const char pin[] = "00112233445566778899aabbccddeeff\n";
    char state[80];
    struct error error;
    *swtpm = (struct swtpm){.directory = "/tmp/nusec-swtpm-XXXXXX"};
    assert_non_null(mkdtemp(swtpm->directory));
    (void)snprintf(state, sizeof state, "%s/state", swtpm->directory);
    (void)snprintf(swtpm->tcti, sizeof swtpm->tcti, "swtpm:path=%s/socket", swtpm->directory);
    (void)snprintf(swtpm->pin_file, sizeof swtpm->pin_file, "%s/pin", swtpm->directory);
    (void)snprintf(swtpm->keys, sizeof swtpm->keys, "%s/keys", swtpm->directory);
    (void)snprintf(swtpm->makers, sizeof swtpm->makers, "%s/makers", swtpm->directory);
    assert_int_equal(mkdir(state, 0700), 0);
    assert_int_equal(mkdir(swtpm->makers, 0700), 0);
    assert_int_equal(
        file_create_durable(swtpm->pin_file, bytes_of(pin, sizeof pin - 1), 0600, &error), 0);
}

void swtpm_make(struct swtpm *swtpm) {
    place(swtpm);
    swtpm_start(swtpm);
}

static void text_write(const struct swtpm *swtpm, const char *name, const char *text) {
    char path[128];
    struct error error;
    (void)snprintf(path, sizeof path, "%s/%s", swtpm->directory, name);
    assert_int_equal(file_create_durable(path, bytes_of(text, strlen(text)), 0600, &error), 0);
}

/* Its own CA for each, in the folder ca. */
static void maker_configure(const struct swtpm *swtpm) {
    char text[640];
    char path[80];
    const char *at = swtpm->directory;
    (void)snprintf(path, sizeof path, "%s/ca", at);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(text, sizeof text,
                   "statedir = %s/ca\nsigningkey = %s/ca/key.pem\n"
                   "issuercert = %s/ca/issuer.pem\ncertserial = %s/ca/serial\n",
                   at, at, at, at);
    text_write(swtpm, "ca.conf", text);
    (void)snprintf(text, sizeof text,
                   "create_certs_tool = /usr/bin/swtpm_localca\n"
                   "create_certs_tool_config = %s/ca.conf\n"
                   "create_certs_tool_options = %s/ca.options\n",
                   at, at);
    text_write(swtpm, "setup.conf", text);
    text_write(swtpm, "ca.options",
               "--platform-manufacturer nusec\n--platform-version 1\n--platform-model test\n");
}

static void setup_exec(const struct swtpm *swtpm) {
    char state[128];
    char config[128];
    char log[128];
    (void)snprintf(state, sizeof state, "%s/state", swtpm->directory);
    (void)snprintf(config, sizeof config, "%s/setup.conf", swtpm->directory);
    (void)snprintf(log, sizeof log, "%s/setup.log", swtpm->directory);
    child_begin();
    (void)execlp("swtpm_setup", "swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert",
                 "--config", config, "--logfile", log, (char *)NULL);
    _exit(127);
}

void swtpm_make_certified(struct swtpm *swtpm) {
    char from[128];
    char to[128];
    int status = -1;
    place(swtpm);
    maker_configure(swtpm);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0)
        setup_exec(swtpm);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
    (void)snprintf(from, sizeof from, "%s/ca/issuer.pem", swtpm->directory);
    (void)snprintf(to, sizeof to, "%s/issuer.pem", swtpm->makers);
    assert_int_equal(rename(from, to), 0);
    swtpm_start(swtpm);
}

void swtpm_maker_certificate(const struct swtpm *swtpm, struct buffer *der) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/issuer.pem", swtpm->makers);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    assert_non_null(certificate);
    unsigned char *encoded = NULL;
    int size = i2d_X509(certificate, &encoded);
    assert_true(size > 0);
    buffer_append(der, encoded, (size_t)size);
    OPENSSL_free(encoded);
    X509_free(certificate);
    (void)fclose(file);
}

void swtpm_remove(struct swtpm *swtpm) {
    char *const paths[] = {swtpm->directory, NULL};
    swtpm_stop(swtpm);
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (const FTSENT *entry; (entry = fts_read(tree)) != NULL;)
        if (entry->fts_info != FTS_D)
            (void)remove(entry->fts_accpath);
    (void)fts_close(tree);
}
