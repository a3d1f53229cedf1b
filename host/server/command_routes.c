/* nusec-server routes: the route table as text, for the test that compares it with openapi.yaml. */
#include "server/commands.h"

#include "server/api.h"

#include <stdio.h>

int command_routes(int argc, char **argv) {
    static const struct {
        unsigned role;
        const char *name;
    } names[] = {
        {ROLE_ADMIN, "oem-admin"},         {ROLE_OPERATOR, "oem-operator"},
        {ROLE_CM_OPERATOR, "cm-operator"}, {ROLE_AUDITOR, "auditor"},
        {ROLE_PROGRAMMER, "programmer"},
    };

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < api_route_count; i++) {
        const char *separator = " ";

        printf("%s %s", api_routes[i].method, api_routes[i].pattern);
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
            if ((api_routes[i].roles & names[j].role) != 0) {
                printf("%s%s", separator, names[j].name);
                separator = ",";
            }
        printf(" %zu\n", api_routes[i].body_limit);
    }
    return 0;
}
