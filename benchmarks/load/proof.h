/* The proof that a client holds the key of its identity, as docs/protocol.md has it:
 *
 *     Sign("identity", banner, binding, pin, fp)
 *
 * that is Ed25519 over the CBOR array ["securechat/v1", "identity", banner, binding, pin, fp],
 * where *binding* is the exporter of RFC 9266 of this very TLS connection, and *pin* the SHA-256
 * of the public key that the server has shown. */
#ifndef PROOF_H
#define PROOF_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "cast.h"

enum { SIGNATURE_TEXT = 86 }; /* 64 bytes as base64url */

/* Write the signature as base64url without padding, and a zero byte. */
void proof_sign(char text[SIGNATURE_TEXT + 1], const struct member *member, SSL *ssl,
                const char *banner, size_t banner_size);

#endif
