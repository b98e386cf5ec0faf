#include "CNgtcp2Peer.h"
#include "internal.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <stdlib.h>
#include <sys/socket.h>

#define CID_LENGTH 8

struct quic_peer {
    /// For the TLS backend, which finds its owner through it.
    quic_connection connection;
    const quic_credentials *credentials;
    bool is_server;
    int descriptor;
    quic_address address;
    uint8_t secret[QUIC_PEER_SECRET_LENGTH];
    bool has_secret;
};

// MARK: Callbacks

static ngtcp2_conn *find_conn(ngtcp2_crypto_conn_ref *reference) { return ((quic_connection *)reference->user_data)->conn; }

static bool accept_certificate(void *owner, const uint8_t *der, size_t length, size_t count) {
    (void)owner, (void)der, (void)length, (void)count;
    return true;
}

static void random_bytes(uint8_t *bytes, size_t length, const ngtcp2_rand_ctx *context) {
    (void)context;
    (void)quic_random(bytes, length);
}

static int cid_needed(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user) {
    (void)conn, (void)user;
    cid->datalen = length;
    return quic_random(cid->data, length) && quic_random(token, QUIC_RESET_TOKEN_LENGTH) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

/// The library makes the next keys as soon as there are some, and says what it makes them of.
static int keys_updated(
    ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx_context, uint8_t *rx_vector,
    ngtcp2_crypto_aead_ctx *tx_context, uint8_t *tx_vector, const uint8_t *current_rx_secret, const uint8_t *current_tx_secret,
    size_t length, void *user) {
    quic_peer *peer = user;
    if (!peer->has_secret && length == QUIC_PEER_SECRET_LENGTH) {
        memcpy(peer->secret, current_tx_secret, length);
        peer->has_secret = true;
    }
    return ngtcp2_crypto_update_key_cb(
        conn, rx_secret, tx_secret, rx_context, rx_vector, tx_context, tx_vector, current_rx_secret, current_tx_secret, length, user);
}

// MARK: Making and freeing

/// Both ends of the path are its own address: it never moves, and nothing is sent from here.
static ngtcp2_path path_of(const quic_peer *peer) {
    ngtcp2_path path;
    memset(&path, 0, sizeof path);
    path.local = quic_shim_addr(&peer->address);
    path.remote = quic_shim_addr(&peer->address);
    return path;
}

/// `remote` is what the other side calls itself; `original`, for a server, what the other side called us at first.
static bool begin(quic_peer *peer, const ngtcp2_cid *remote, const ngtcp2_cid *original, uint64_t now) {
    ngtcp2_callbacks callbacks;
    quic_shim_set_cryptography(&callbacks, peer->is_server);
    callbacks.update_key = keys_updated;
    callbacks.rand = random_bytes;
    callbacks.get_new_connection_id = cid_needed;
    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.initial_ts = now;
    ngtcp2_transport_params parameters;
    ngtcp2_transport_params_default(&parameters);
    parameters.initial_max_stream_data_bidi_local = 1 << 16;
    parameters.initial_max_stream_data_bidi_remote = 1 << 16;
    parameters.initial_max_data = 1 << 18;
    parameters.initial_max_streams_bidi = 8;
    parameters.active_connection_id_limit = 4;
    ngtcp2_cid local;
    local.datalen = CID_LENGTH;
    if (!quic_random(local.data, CID_LENGTH)) return false;
    ngtcp2_path path = path_of(peer);
    peer->connection.tls = quic_tls_new(&peer->connection, peer->credentials, peer->is_server);
    if (peer->connection.tls == NULL) return false;
    int result;
    if (peer->is_server) {
        parameters.original_dcid = *original;
#if QUIC_SHIM_IS_1
        parameters.original_dcid_present = 1;
#endif
        if (!quic_random(parameters.stateless_reset_token, QUIC_RESET_TOKEN_LENGTH)) return false;
        parameters.stateless_reset_token_present = 1;
        result = ngtcp2_conn_server_new(
            &peer->connection.conn, remote, &local, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &parameters, NULL, peer);
    } else {
        result = ngtcp2_conn_client_new(
            &peer->connection.conn, remote, &local, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings, &parameters, NULL, peer);
    }
    if (result != 0) {
        peer->connection.conn = NULL;
        return false;
    }
    ngtcp2_conn_set_tls_native_handle(peer->connection.conn, quic_tls_handle(peer->connection.tls));
    return true;
}

quic_peer *quic_peer_new(const struct quic_credentials *credentials, bool is_server, uint64_t now) {
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    quic_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) return NULL;
    peer->credentials = credentials;
    peer->is_server = is_server;
    peer->connection.reference.get_conn = find_conn;
    peer->connection.reference.user_data = &peer->connection;
    peer->connection.handlers.certificate = accept_certificate;
    quic_address any;
    quic_address_set(&any, loopback, sizeof loopback, 0, 0);
    if (quic_socket_open(&any, &peer->descriptor, &peer->address) != 0) {
        free(peer);
        return NULL;
    }
    ngtcp2_cid guess;
    guess.datalen = CID_LENGTH;
    if (!is_server && (!quic_random(guess.data, CID_LENGTH) || !begin(peer, &guess, NULL, now))) {
        quic_peer_free(peer);
        return NULL;
    }
    return peer;
}

void quic_peer_free(quic_peer *peer) {
    if (peer == NULL) return;
    if (peer->connection.conn != NULL) {
        ngtcp2_conn_set_tls_native_handle(peer->connection.conn, NULL);
        if (peer->connection.tls != NULL) quic_tls_free(peer->connection.tls);
        ngtcp2_conn_del(peer->connection.conn);
    } else if (peer->connection.tls != NULL) {
        quic_tls_free(peer->connection.tls);
    }
    quic_socket_close(peer->descriptor);
    free(peer);
}

uint16_t quic_peer_port(const quic_peer *peer) { return quic_address_port(&peer->address); }

// MARK: Packets

/// A server begins with what the first Initial says.
static bool answer(quic_peer *peer, const uint8_t *packet, size_t length, uint64_t now) {
    ngtcp2_version_cid ids;
    if (ngtcp2_pkt_decode_version_cid(&ids, packet, length, CID_LENGTH) != 0) return false;
    ngtcp2_cid remote, original;
    ngtcp2_cid_init(&remote, ids.scid, ids.scidlen);
    ngtcp2_cid_init(&original, ids.dcid, ids.dcidlen);
    return begin(peer, &remote, &original, now);
}

bool quic_peer_hear(quic_peer *peer, uint64_t now) {
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    for (;;) {
        uint8_t packet[2048];
        ssize_t length = recv(peer->descriptor, packet, sizeof packet, MSG_DONTWAIT);
        if (length < 0) return true;
        if (peer->connection.conn == NULL && !answer(peer, packet, (size_t)length, now)) return false;
        ngtcp2_path path = path_of(peer);
        if (ngtcp2_conn_read_pkt(peer->connection.conn, &path, &info, packet, (size_t)length, now) != 0) return false;
    }
}

size_t quic_peer_say(quic_peer *peer, uint8_t *packet, size_t size, uint64_t now) {
    if (peer->connection.conn == NULL) return 0;
    ngtcp2_pkt_info info;
    ngtcp2_ssize written = ngtcp2_conn_write_pkt(peer->connection.conn, NULL, &info, packet, size, now);
    return written < 0 ? 0 : (size_t)written;
}

size_t quic_peer_secret(const quic_peer *peer, uint8_t secret[QUIC_PEER_SECRET_LENGTH], uint8_t destination[QUIC_PEER_MAXIMUM_ID]) {
    if (!peer->has_secret) return 0;
    memcpy(secret, peer->secret, sizeof peer->secret);
    const ngtcp2_cid *id = ngtcp2_conn_get_dcid(peer->connection.conn);
    memcpy(destination, id->data, id->datalen);
    return id->datalen;
}

#endif
