// What the sources of the shim share.
#pragma once

#include "CNgtcp2Shim.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

/// 1.x renamed much of what 0.12 has.
#define QUIC_SHIM_IS_1 (NGTCP2_VERSION_NUM >= 0x010000)

struct quic_connection {
    ngtcp2_conn *conn;
    /// The TLS backend finds the connection through this.
    ngtcp2_crypto_conn_ref reference;
    /// The TLS session; freed as soon as the handshake is over, for it is most of a connection's memory.
    void *tls;
    bool is_tls_done;
    quic_handlers handlers;
    void *owner;
    /// The library's own number for the last failure.
    int failure;
};

static inline ngtcp2_addr quic_shim_addr(const quic_address *address) {
    ngtcp2_addr result;
    result.addr = (ngtcp2_sockaddr *)(void *)(uintptr_t)address->storage;
    result.addrlen = (ngtcp2_socklen)address->length;
    return result;
}

// MARK: The TLS backend: tls_gnutls.c or tls_ossl.c

/// Makes the session of a connection; NULL when it can't.
void *quic_tls_new(quic_connection *connection, const quic_credentials *credentials, bool is_server);
void quic_tls_free(void *tls);
/// What ngtcp2's backend wants as the native handle.
void *quic_tls_handle(void *tls);
const char *quic_tls_name(void);

#endif
