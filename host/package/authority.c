#include "package/authority.h"

#include "cose/cose_sign1.h"
#include "x509/certificate.h"

#include <stdio.h>

/* Carries the host's error through the lib's status. */
struct sign_context {
    struct signer signer;
    struct error *error;
};

static enum status sign_digest(void *context, const uint8_t digest[32], uint8_t signature[64]) {
    struct sign_context *c = context;
    int result = c->signer.sign(c->signer.context, digest, signature, c->error);
    return result == 0 ? STATUS_OK : STATUS_CRYPTO;
}

int authority_sign(const struct package_authority *authority, struct bytes payload,
                   struct buffer *out, struct error *error) {
    const struct bytes x5chain[] = {authority->certificate, authority->operations_ca};
    struct sign_context context = {authority->signer, error};
    struct buffer message = {0};
    struct writer writer;
    size_t capacity = cose_sign1_size_max(x5chain, 2, payload.size);
    writer_init(&writer, buffer_reserve(&message, capacity), capacity);
    if (buffer_check(&message, error) != 0)
        return -1;
    enum status status = cose_sign1_write(&writer, x5chain, 2, payload, sign_digest, &context);
    if (status == STATUS_OK)
        buffer_append(out, writer.data, writer.size);
    else if (status != STATUS_CRYPTO)
        error_set(error, ERROR_INTERNAL, "cannot write the signed message: %s",
                  status_name(status));
    buffer_free(&message);
    return status == STATUS_OK ? buffer_check(out, error) : -1;
}

int authority_open(struct bytes encoded, struct bytes operations_ca,
                   struct authority_message *message, struct error *error) {
    struct cose_sign1 signed_message;
    struct x509_info info;
    if (cose_sign1_parse(encoded, &signed_message) != STATUS_OK)
        return error_set(error, ERROR_ALTERED, "not a message signed by a job authority");
    if (signed_message.x5chain_count != 2 || !bytes_equal(signed_message.x5chain[1], operations_ca))
        return error_set(error, ERROR_UNTRUSTED_SIGNER,
                         "signed under another operations CA than ours");
    if (x509_read(signed_message.x5chain[0], &info, error) != 0)
        return error_set(error, ERROR_UNTRUSTED_SIGNER, "the signer's certificate is broken");
    if (cose_sign1_verify(&signed_message, info.public_key) != STATUS_OK)
        return error_set(error, ERROR_ALTERED, "the job authority's signature does not match");
    message->payload = signed_message.payload;
    message->certificate = signed_message.x5chain[0];
    return 0;
}

int authority_trust(const struct authority_message *message, struct bytes root,
                    struct bytes operations_ca, uint64_t now_s, struct error *error) {
    char why[sizeof(error->message)];
    if (x509_verify_chain(root, operations_ca, message->certificate, X509_PROFILE_JOB_AUTHORITY,
                          now_s, error) == 0)
        return 0;
    snprintf(why, sizeof(why), "%s", error->message);
    return error_set(error, ERROR_UNTRUSTED_SIGNER, "not signed by a job authority of ours: %s",
                     why);
}
