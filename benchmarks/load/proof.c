#include "proof.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "common.h"

static const char BINDING_LABEL[] = "EXPORTER-Channel-Binding";

/* CBOR's major types, RFC 8949, section 3.1 */
enum { BYTES = 2 << 5, TEXT = 3 << 5, ARRAY = 4 << 5 };

struct cbor {
    unsigned char data[1024];
    size_t size;
};

static void put_head(struct cbor *cbor, int type, size_t length)
{
    unsigned char *place = cbor->data + cbor->size;
    if (length < 24) {
        place[0] = type | length;
        cbor->size += 1;
    } else if (length < 256) {
        place[0] = type | 24;
        place[1] = length;
        cbor->size += 2;
    } else {
        place[0] = type | 25;
        place[1] = length >> 8;
        place[2] = length & 255;
        cbor->size += 3;
    }
}

static void put(struct cbor *cbor, int type, const void *data, size_t length)
{
    if (cbor->size + 3 + length > sizeof cbor->data)
        fail("a banner that is too long");
    put_head(cbor, type, length);
    memcpy(cbor->data + cbor->size, data, length);
    cbor->size += length;
}

static void export_binding(SSL *ssl, unsigned char binding[32])
{
    if (SSL_export_keying_material(ssl, binding, 32, BINDING_LABEL, sizeof BINDING_LABEL - 1,
                                   NULL, 0, 0) != 1)
        fail("no channel binding");
}

static void hash_key(SSL *ssl, unsigned char pin[SHA256_DIGEST_LENGTH])
{
    unsigned char *info = NULL;
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &info);
    if (size <= 0)
        fail("no public key");
    SHA256(info, size, pin);
    OPENSSL_free(info);
    X509_free(certificate);
}

static void sign(const unsigned char seed[32], const struct cbor *cbor, unsigned char signature[64])
{
    size_t size = 64;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &size, cbor->data, cbor->size) != 1)
        fail("no signature");
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
}

static void to_base64url(char text[SIGNATURE_TEXT + 1], const unsigned char signature[64])
{
    char padded[SIGNATURE_TEXT + 3];
    EVP_EncodeBlock((unsigned char *)padded, signature, 64);
    for (int place = 0; place < SIGNATURE_TEXT; place++)
        text[place] = padded[place] == '+' ? '-' : padded[place] == '/' ? '_' : padded[place];
    text[SIGNATURE_TEXT] = 0;
}

void proof_sign(char text[SIGNATURE_TEXT + 1], const struct member *member, SSL *ssl,
                const char *banner, size_t banner_size)
{
    struct cbor cbor = {.size = 0};
    unsigned char binding[32], pin[SHA256_DIGEST_LENGTH], signature[64];
    export_binding(ssl, binding);
    hash_key(ssl, pin);
    put_head(&cbor, ARRAY, 6);
    put(&cbor, TEXT, "securechat/v1", strlen("securechat/v1"));
    put(&cbor, TEXT, "identity", strlen("identity"));
    put(&cbor, BYTES, banner, banner_size);
    put(&cbor, BYTES, binding, sizeof binding);
    put(&cbor, BYTES, pin, sizeof pin);
    put(&cbor, BYTES, member->fingerprint, sizeof member->fingerprint);
    sign(member->seed, &cbor, signature);
    to_base64url(text, signature);
}
