// What the sources of the shim share.
#pragma once

#include "CNgtcp2Shim.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <string.h>

/// 1.x renamed much of what 0.12 has.
#define QUIC_SHIM_IS_1 (NGTCP2_VERSION_NUM >= 0x010000)

struct quic_connection {
    /// Whoever does not know that the connection is awake goes through awake().
    ngtcp2_conn *conn;
    quic_memory *memory;
    bool is_resting;
    /// When a connection at rest has something to do.
    uint64_t expiry;
    /// Something was asked of the connection since it was last asked to rest.
    bool has_stirred;
    /// The TLS backend finds the connection through this.
    ngtcp2_crypto_conn_ref reference;
    /// The TLS session; freed as soon as the handshake is over, for it is most of a connection's memory.
    void *tls;
    bool is_tls_done;
    quic_handlers handlers;
    void *owner;
    /// The TLS alert that the backend means where its library says another; 0 where it does not.
    uint8_t alert;
    /// The library's own number for the last failure.
    int failure;
    /// The number of the last packet that was written, of those behind the handshake.
    uint64_t last_number;
    /// Whether the owner wants to hear of acknowledgements.
    bool is_watched;
};

/// Reads the frames of a packet up to its acknowledgements, and tells the owner of them (acknowledgements.c).
void quic_report_acknowledgements(quic_connection *connection, const uint8_t *frames, size_t length);
/// The number of a packet, of which its header has the last bytes, by the number of the one before.
uint64_t quic_packet_number(const uint8_t *header, size_t length, uint64_t last);

/// The library's connection, with its memory in place.
static inline ngtcp2_conn *awake(quic_connection *connection) {
    connection->has_stirred = true;
    if (connection->is_resting) {
        connection->is_resting = false;
        quic_memory_unpack(connection->memory);
        connection->handlers.woken(connection->owner);
    }
    return connection->conn;
}

/// The library's way to the memory of one connection (memory.c).
const ngtcp2_mem *quic_memory_functions(const quic_memory *memory);

static inline ngtcp2_addr quic_shim_addr(const quic_address *address) {
    ngtcp2_addr result;
    result.addr = (ngtcp2_sockaddr *)(void *)(uintptr_t)address->storage;
    result.addrlen = (ngtcp2_socklen)address->length;
    return result;
}

/// The callbacks that ngtcp2's own cryptography answers, and none besides.
static inline void quic_shim_set_cryptography(ngtcp2_callbacks *callbacks, bool is_server) {
    memset(callbacks, 0, sizeof *callbacks);
    if (is_server) {
        callbacks->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    } else {
        callbacks->client_initial = ngtcp2_crypto_client_initial_cb;
        callbacks->recv_retry = ngtcp2_crypto_recv_retry_cb;
    }
    callbacks->recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    callbacks->encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks->decrypt = ngtcp2_crypto_decrypt_cb;
    callbacks->hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks->update_key = ngtcp2_crypto_update_key_cb;
    callbacks->delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks->delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks->get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    callbacks->version_negotiation = ngtcp2_crypto_version_negotiation_cb;
}

// MARK: The TLS backend: tls_gnutls.c, or tls_ossl.c where the manifest says so

/// Makes the session of a connection; NULL when it can't.
void *quic_tls_new(quic_connection *connection, const quic_credentials *credentials, bool is_server);
void quic_tls_free(void *tls);
/// What ngtcp2's backend wants as the native handle.
void *quic_tls_handle(void *tls);
const char *quic_tls_name(void);

#endif
