/* docs/api/openapi.yaml against the route table, both ways: method, path, roles, body limit. The
 * file is read by its indentation, which is therefore fixed: path 2, method 4, x- members 6. */
#include "server/api.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOCUMENTED_MAX 100

struct documented {
    char path[128];
    char method[8];
    unsigned roles;
    size_t body_limit;
};

static struct documented documented[DOCUMENTED_MAX];
static size_t documented_count;

static unsigned roles_of(const char *list) {
    static const struct {
        const char *name;
        unsigned role;
    } names[] = {
        {"oem-admin", ROLE_ADMIN},         {"oem-operator", ROLE_OPERATOR},
        {"cm-operator", ROLE_CM_OPERATOR}, {"auditor", ROLE_AUDITOR},
        {"programmer", ROLE_PROGRAMMER},
    };
    unsigned found = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strstr(list, names[i].name) != NULL)
            found |= names[i].role;
    return found;
}

static void read_line(const char *line, char path[128]) {
    struct documented *last = documented_count > 0 ? &documented[documented_count - 1] : NULL;
    char method[8];

    if (strncmp(line, "  /", 3) == 0) {
        snprintf(path, 128, "%.*s", (int)strcspn(line + 2, ":"), line + 2);
    } else if (sscanf(line, "    %7[a-z]:", method) == 1 && line[4] != ' ' && path[0] != '\0' &&
               strncmp(method, "paramet", 7) != 0) {
        assert_true(documented_count < DOCUMENTED_MAX);
        last = &documented[documented_count++];
        snprintf(last->path, sizeof last->path, "%s", path);
        for (size_t i = 0; i < sizeof method; i++)
            last->method[i] = (char)(method[i] >= 'a' ? method[i] - 'a' + 'A' : method[i]);
    } else if (last != NULL && strncmp(line, "      x-roles:", 14) == 0) {
        last->roles = roles_of(line);
    } else if (last != NULL && strncmp(line, "      x-body-limit:", 19) == 0) {
        last->body_limit = strtoul(line + 19, NULL, 10);
    }
}

static int read_document(void **state) {
    struct buffer text = {0};
    struct error error;
    char path[128] = "";
    char *line, *rest = NULL;

    (void)state;
    if (file_read("../../docs/api/openapi.yaml", 1 << 20, &text, &error) != 0)
        return -1;
    for (line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strcmp(line, "components:") == 0)
            break;
        read_line(line, path);
    }
    buffer_free(&text);
    return documented_count > 0 ? 0 : -1;
}

static const struct documented *find_documented(const struct api_route *route) {
    for (size_t i = 0; i < documented_count; i++)
        if (strcmp(documented[i].path, route->pattern) == 0 &&
            strcmp(documented[i].method, route->method) == 0)
            return &documented[i];
    return NULL;
}

static void every_route_is_documented(void **state) {
    (void)state;
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        const struct documented *entry = find_documented(route);

        if (entry == NULL)
            fail_msg("%s %s is not documented", route->method, route->pattern);
        else if (entry->roles != route->roles)
            fail_msg("%s %s: roles differ", route->method, route->pattern);
        else if (entry->body_limit != route->body_limit)
            fail_msg("%s %s: body limit differs", route->method, route->pattern);
    }
}

static void nothing_else_is_documented(void **state) {
    (void)state;
    for (size_t i = 0; i < documented_count; i++) {
        bool exists = false;

        for (size_t j = 0; j < api_route_count; j++)
            exists |= find_documented(&api_routes[j]) == &documented[i];
        if (!exists)
            fail_msg("%s %s does not exist", documented[i].method, documented[i].path);
    }
    assert_int_equal(documented_count, api_route_count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_documented),
        cmocka_unit_test(nothing_else_is_documented),
    };

    return cmocka_run_group_tests(tests, read_document, NULL);
}
