#include "internal.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <string.h>

/// For how long a Retry token is good: a client answers a Retry at once.
static const ngtcp2_duration retry_lifetime = 10 * NGTCP2_SECONDS;

static void copy_cid(ngtcp2_cid *destination, const quic_cid *source) {
    ngtcp2_cid_init(destination, source->bytes, source->length);
}

bool quic_reset_token(uint8_t token[QUIC_RESET_TOKEN_LENGTH], const uint8_t *secret, size_t secret_length, const quic_cid *cid) {
    ngtcp2_cid native;
    copy_cid(&native, cid);
    return ngtcp2_crypto_generate_stateless_reset_token(token, secret, secret_length, &native) == 0;
}

quic_initial quic_initial_examine(
    const uint8_t *packet, size_t length, const quic_address *remote, const uint8_t *secret, size_t secret_length, uint64_t now,
    quic_cid *original) {
    ngtcp2_pkt_hd header;
    memset(&header, 0, sizeof header);
    if (ngtcp2_accept(&header, packet, length) != 0 || header.type != NGTCP2_PKT_INITIAL) return QUIC_INITIAL_INVALID;
#if QUIC_SHIM_IS_1
    const uint8_t *token = header.token;
    size_t token_length = header.tokenlen;
#else
    const uint8_t *token = header.token.base;
    size_t token_length = header.token.len;
#endif
    // A token of another kind, such as one that an earlier server gave, counts as none (RFC 9000, 8.1.3).
    if (token_length == 0 || token[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) return QUIC_INITIAL_VALID;
    ngtcp2_cid native;
    ngtcp2_addr address = quic_shim_addr(remote);
    if (ngtcp2_crypto_verify_retry_token(
            &native, token, token_length, secret, secret_length, header.version, address.addr, address.addrlen, &header.dcid,
            retry_lifetime, now) != 0) {
        return QUIC_INITIAL_BAD_TOKEN;
    }
    original->length = (uint8_t)native.datalen;
    memcpy(original->bytes, native.data, native.datalen);
    return QUIC_INITIAL_VALIDATED;
}

size_t quic_write_retry(
    uint8_t *destination, size_t size, uint32_t version, const quic_cid *client, const quic_cid *original, const quic_cid *fresh,
    const quic_address *remote, const uint8_t *secret, size_t secret_length, uint64_t now) {
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN];
    ngtcp2_cid dcid, odcid, scid;
    copy_cid(&dcid, client);
    copy_cid(&odcid, original);
    copy_cid(&scid, fresh);
    ngtcp2_addr address = quic_shim_addr(remote);
    ngtcp2_ssize token_length = ngtcp2_crypto_generate_retry_token(
        token, secret, secret_length, version, address.addr, address.addrlen, &scid, &odcid, now);
    if (token_length < 0) return 0;
    ngtcp2_ssize written =
        ngtcp2_crypto_write_retry(destination, size, version, &dcid, &scid, &odcid, token, (size_t)token_length);
    return written < 0 ? 0 : (size_t)written;
}

size_t quic_write_refusal(
    uint8_t *destination, size_t size, uint32_t version, const quic_cid *client, const quic_cid *server, uint64_t error) {
    ngtcp2_cid dcid, scid;
    copy_cid(&dcid, client);
    copy_cid(&scid, server);
    ngtcp2_ssize written =
        ngtcp2_crypto_write_connection_close(destination, size, version, &dcid, &scid, error, NULL, 0);
    return written < 0 ? 0 : (size_t)written;
}

#endif
