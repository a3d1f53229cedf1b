/* Reports as files: texts from the factory must not become formulas or markup. */
#include "cli/report_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char report_text[] =
    "{\"job\":{\"id\":\"job-1\",\"product\":\"lamp <A&B>\"},"
    "\"counts\":{\"ordered\":5,\"done\":1,\"failed\":1,\"reserved\":1,\"remaining\":2,\"adds_up\":"
    "true},"
    "\"units\":["
    "{\"uid\":\"00AA\",\"unit_id\":\"01\",\"state\":\"done\",\"step\":\"done\",\"attempt\":1,"
    "\"seconds\":1.5,\"updated\":1795176000,\"certificate_sha256_hex\":\"ab\",\"reason\":\"\","
    "\"site\":\"A1\",\"serial\":\"SN1\"},"
    "{\"uid\":\"00BB\",\"unit_id\":\"02\",\"state\":\"failed\",\"step\":\"csr\",\"attempt\":2,"
    "\"seconds\":0.25,\"updated\":1795176001,\"certificate_sha256_hex\":null,"
    "\"reason\":\"=HYPERLINK(\\\"x\\\"),\\u0007<b>\"},"
    "{\"uid\":\"00CC\",\"unit_id\":\"03\",\"state\":\"reserved\",\"step\":\"\",\"attempt\":1,"
    "\"seconds\":0.0,\"updated\":1795176002,\"certificate_sha256_hex\":null,\"reason\":\"\"},"
    "{\"uid\":\"00DD\",\"unit_id\":\"04\",\"state\":\"scrapped\",\"step\":\"\",\"attempt\":1,"
    "\"seconds\":0.0,\"updated\":1795176003,\"certificate_sha256_hex\":null,\"reason\":\"bent\"}]}";

static void expect(void (*write)(FILE *out, const json_t *report), const char *text,
                   const char *expected) {
    json_t *report = json_loads(text, 0, NULL);
    char *written = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&written, &size);

    assert_non_null(report);
    assert_non_null(file);
    write(file, report);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(written, expected);
    free(written);
    json_decref(report);
}

static void csv(void **state) {
    (void)state;
    expect(report_csv, report_text,
           "uid,unit_id,state,step,attempt,seconds,updated,certificate_sha256_hex,reason,site,"
           "serial\r\n"
           "\"00AA\",\"01\",\"done\",\"done\",1,1.500,1795176000,\"ab\",\"\",\"A1\",\"SN1\"\r\n"
           "\"00BB\",\"02\",\"failed\",\"csr\",2,0.250,1795176001,,"
           "\"'=HYPERLINK(\"\"x\"\"),?<b>\",,\r\n"
           "\"00CC\",\"03\",\"reserved\",\"\",1,0.000,1795176002,,\"\",,\r\n"
           "\"00DD\",\"04\",\"scrapped\",\"\",1,0.000,1795176003,,\"bent\",,\r\n");
}

/* A column for each step that the job has taken. */
static void csv_has_the_steps(void **state) {
    (void)state;
    expect(
        report_csv,
        "{\"production\":{\"cycle\":[{\"step\":\"unit\"},{\"step\":\"keys\"},{\"step\":\"csr\"}]},"
        "\"units\":[{\"uid\":\"00AA\",\"steps\":{\"csr\":12,\"keys\":345}},{\"uid\":\"00BB\"}]}",
        "uid,unit_id,state,step,attempt,seconds,updated,certificate_sha256_hex,reason,site,"
        "serial,\"keys\",\"csr\"\r\n"
        "\"00AA\",,,,,,,,,,,345,12\r\n"
        "\"00BB\",,,,,,,,,,,,\r\n");
}

static void junit(void **state) {
    (void)state;
    expect(report_junit, report_text,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
           "  <testsuite name=\"job-1\" tests=\"4\" failures=\"2\" skipped=\"1\" errors=\"0\">\n"
           "    <properties>\n"
           "      <property name=\"ordered\" value=\"5\"/>\n"
           "      <property name=\"done\" value=\"1\"/>\n"
           "      <property name=\"failed\" value=\"1\"/>\n"
           "      <property name=\"reserved\" value=\"1\"/>\n"
           "      <property name=\"remaining\" value=\"2\"/>\n"
           "      <property name=\"adds_up\" value=\"true\"/>\n"
           "    </properties>\n"
           "    <testcase classname=\"lamp &lt;A&amp;B&gt;\" name=\"00AA\" time=\"1.500\">"
           "</testcase>\n"
           "    <testcase classname=\"lamp &lt;A&amp;B&gt;\" name=\"00BB\" time=\"0.250\">"
           "<failure type=\"csr\" message=\"=HYPERLINK(&quot;x&quot;),?&lt;b&gt;\"/></testcase>\n"
           "    <testcase classname=\"lamp &lt;A&amp;B&gt;\" name=\"00CC\" time=\"0.000\">"
           "<skipped message=\"under way\"/></testcase>\n"
           "    <testcase classname=\"lamp &lt;A&amp;B&gt;\" name=\"00DD\" time=\"0.000\">"
           "<failure type=\"scrapped\" message=\"bent\"/></testcase>\n"
           "  </testsuite>\n</testsuites>\n");
}

static void a_report_without_anything(void **state) {
    (void)state;
    expect(report_csv, "{}",
           "uid,unit_id,state,step,attempt,seconds,updated,certificate_sha256_hex,reason,site,"
           "serial\r\n");
    expect(report_junit, "{}",
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
           "  <testsuite name=\"\" tests=\"0\" failures=\"0\" skipped=\"0\" errors=\"0\">\n"
           "    <properties>\n    </properties>\n  </testsuite>\n</testsuites>\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv),
        cmocka_unit_test(csv_has_the_steps),
        cmocka_unit_test(junit),
        cmocka_unit_test(a_report_without_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
