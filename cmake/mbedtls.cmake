# Mbed TLS LTS for the crypto port, from the pinned source that scripts/fetch-mbedtls.sh unpacks. The
# same files for native and Cortex-M; the configuration in lib/crypto/mbedtls_config/ decides what
# remains of them, and -ffunction-sections drops the rest.
set(MBEDTLS_ROOT ${CMAKE_SOURCE_DIR}/deps/mbedtls)
if(NOT EXISTS ${MBEDTLS_ROOT}/library/psa_crypto.c)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/fetch-mbedtls.sh COMMAND_ERROR_IS_FATAL ANY)
endif()

set(MBEDTLS_FILES
  aes.c asn1parse.c asn1write.c block_cipher.c constant_time.c gcm.c hmac_drbg.c md.c oid.c pk.c
  pk_ecc.c pk_wrap.c pkparse.c platform.c platform_util.c psa_crypto.c psa_crypto_client.c
  psa_crypto_driver_wrappers_no_static.c psa_crypto_hash.c psa_crypto_rsa.c psa_crypto_slot_management.c psa_util.c
  sha256.c x509.c x509_crt.c)
list(TRANSFORM MBEDTLS_FILES PREPEND ${MBEDTLS_ROOT}/library/)

add_library(mbedtls_device STATIC ${MBEDTLS_FILES}
  ${MBEDTLS_ROOT}/3rdparty/p256-m/p256-m/p256-m.c
  ${MBEDTLS_ROOT}/3rdparty/p256-m/p256-m_driver_entrypoints.c)
# SYSTEM: the headers are not ours to fix, and our warnings are errors.
target_include_directories(mbedtls_device SYSTEM PUBLIC
  ${CMAKE_SOURCE_DIR}/lib/crypto/mbedtls_config
  ${MBEDTLS_ROOT}/include)
target_include_directories(mbedtls_device PRIVATE
  ${MBEDTLS_ROOT}/library
  ${MBEDTLS_ROOT}/3rdparty/p256-m/p256-m/include
  ${MBEDTLS_ROOT}/3rdparty/p256-m/p256-m
  ${MBEDTLS_ROOT}/3rdparty/p256-m)
# Names of our own: next to build_info.h lies an mbedtls_config.h that would be found first.
target_compile_definitions(mbedtls_device PUBLIC
  MBEDTLS_CONFIG_FILE="device_mbedtls.h"
  MBEDTLS_PSA_CRYPTO_CONFIG_FILE="device_psa.h")
target_compile_options(mbedtls_device PRIVATE -w -ffunction-sections -fdata-sections)
# Instrumented functions all refer to one another, so nothing could be dropped: sanitizers watch our
# own code only.
if(NUSEC_ASAN)
  target_compile_options(mbedtls_device PRIVATE -fno-sanitize=all)
endif()
# The text output of certificates wants snprintf; nothing calls it, and dropping it drops the wish.
target_link_options(mbedtls_device INTERFACE -Wl,--gc-sections)
