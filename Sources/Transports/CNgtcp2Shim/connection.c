#include "internal.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if QUIC_SHIM_IS_1
#define keep_alive_never UINT64_MAX
typedef ngtcp2_encryption_level level_type;
typedef ngtcp2_connection_id_status_type status_type;
typedef ngtcp2_ccerr close_error;
#define close_error_default ngtcp2_ccerr_default
#define close_error_application ngtcp2_ccerr_set_application_error
#define close_error_library ngtcp2_ccerr_set_liberr
#define close_error_alert ngtcp2_ccerr_set_tls_alert
#define close_error_is_application(error) ((error)->type == NGTCP2_CCERR_TYPE_APPLICATION)
#else
#define keep_alive_never 0
typedef ngtcp2_crypto_level level_type;
typedef int status_type;
typedef ngtcp2_connection_close_error close_error;
#define close_error_default ngtcp2_connection_close_error_default
#define close_error_application ngtcp2_connection_close_error_set_application_error
#define close_error_library ngtcp2_connection_close_error_set_transport_error_liberr
#define close_error_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define close_error_is_application(error) ((error)->type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION)
#endif

static void copy_cid(ngtcp2_cid *destination, const quic_cid *source) {
    ngtcp2_cid_init(destination, source->bytes, source->length);
}

static quic_result result_of(quic_connection *connection, int number) {
    if (number >= 0) return QUIC_OK;
    switch (number) {
    case NGTCP2_ERR_WRITE_MORE: return QUIC_MORE;
    case NGTCP2_ERR_STREAM_DATA_BLOCKED: return QUIC_STREAM_BLOCKED;
    case NGTCP2_ERR_STREAM_SHUT_WR: return QUIC_STREAM_FINISHED;
    case NGTCP2_ERR_STREAM_NOT_FOUND: return QUIC_STREAM_UNKNOWN;
    case NGTCP2_ERR_STREAM_ID_BLOCKED: return QUIC_STREAM_LIMIT;
    // A packet that is not for us, or that can't be decrypted, is as if it had not come.
    case NGTCP2_ERR_DISCARD_PKT: return QUIC_OK;
    default: break;
    }
    connection->failure = number;
    switch (number) {
    case NGTCP2_ERR_DRAINING: return QUIC_DRAINING;
    case NGTCP2_ERR_CLOSING: return QUIC_CLOSING;
    case NGTCP2_ERR_DROP_CONN:
    // A server asks for Retry in the middle of a handshake only when the client's first packets make no sense.
    case NGTCP2_ERR_RETRY: return QUIC_DROP;
    case NGTCP2_ERR_IDLE_CLOSE: return QUIC_IDLE;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT: return QUIC_HANDSHAKE_TIMEOUT;
    case NGTCP2_ERR_CRYPTO: return QUIC_CRYPTO;
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
    case NGTCP2_ERR_VERSION_NEGOTIATION_FAILURE: return QUIC_VERSION;
    default: return QUIC_FAILED;
    }
}

// MARK: Callbacks

#define OWNER(user) quic_connection *connection = (user)
#define TELL(name, ...) connection->handlers.name(connection->owner, __VA_ARGS__)

static ngtcp2_conn *find_conn(ngtcp2_crypto_conn_ref *reference) { return ((quic_connection *)reference->user_data)->conn; }

static void random_bytes(uint8_t *bytes, size_t length, const ngtcp2_rand_ctx *context) {
    (void)context;
    (void)quic_random(bytes, length);
}

static int crypto_received(ngtcp2_conn *conn, level_type level, uint64_t offset, const uint8_t *bytes, size_t length, void *user) {
    OWNER(user);
    // After the handshake there is nothing to hear but tickets, which nobody here resumes with.
    if (connection->is_tls_done) return 0;
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, bytes, length, user);
}

static int completed(ngtcp2_conn *conn, void *user) {
    OWNER(user);
    // A server's handshake is confirmed at the same moment (RFC 9001, section 4.1.2), and the library does not say so again.
    if (ngtcp2_conn_is_server(conn)) connection->is_tls_done = true;
    connection->handlers.completed(connection->owner);
    return 0;
}

static int confirmed(ngtcp2_conn *conn, void *user) {
    (void)conn;
    OWNER(user);
    connection->is_tls_done = true;
    return 0;
}

static int stream_opened(ngtcp2_conn *conn, int64_t id, void *user) {
    (void)conn;
    OWNER(user);
    TELL(stream_opened, id);
    return 0;
}

static int stream_received(
    ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *bytes, size_t length, void *user, void *stream) {
    (void)conn, (void)offset, (void)stream;
    OWNER(user);
    TELL(stream_received, id, bytes, length, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    return 0;
}

static int stream_reset(ngtcp2_conn *conn, int64_t id, uint64_t final_size, uint64_t code, void *user, void *stream) {
    (void)conn, (void)final_size, (void)stream;
    OWNER(user);
    TELL(stream_reset, id, code);
    return 0;
}

static int stream_closed(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream) {
    (void)conn, (void)flags, (void)code, (void)stream;
    OWNER(user);
    connection->handlers.stream_closed(connection->owner, id);
    return 0;
}

static int acknowledged(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t length, void *user, void *stream) {
    (void)conn, (void)stream;
    OWNER(user);
    TELL(stream_acknowledged, id, offset + length);
    return 0;
}

static int stream_credited(ngtcp2_conn *conn, int64_t id, uint64_t maximum, void *user, void *stream) {
    (void)conn, (void)maximum, (void)stream;
    OWNER(user);
    connection->handlers.stream_credited(connection->owner, id);
    return 0;
}

static int cid_needed(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user) {
    (void)conn, (void)length;
    OWNER(user);
    quic_cid fresh;
    if (!TELL(cid_needed, &fresh, token)) return NGTCP2_ERR_CALLBACK_FAILURE;
    ngtcp2_cid_init(cid, fresh.bytes, fresh.length);
    return 0;
}

static int cid_retired(ngtcp2_conn *conn, const ngtcp2_cid *cid, void *user) {
    (void)conn;
    OWNER(user);
    quic_cid retired;
    retired.length = (uint8_t)cid->datalen;
    memcpy(retired.bytes, cid->data, cid->datalen);
    TELL(cid_retired, &retired);
    return 0;
}

static int cid_status(ngtcp2_conn *conn, status_type type, uint64_t sequence, const ngtcp2_cid *cid, const uint8_t *token, void *user) {
    (void)conn, (void)sequence, (void)cid;
    OWNER(user);
    if (token != NULL) TELL(reset_token, token, type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE);
    return 0;
}

#if QUIC_SHIM_IS_1
static int path_validated(
    ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path, const ngtcp2_path *old, ngtcp2_path_validation_result result, void *user) {
    (void)old;
#else
static int path_validated(
    ngtcp2_conn *conn, uint32_t flags, const ngtcp2_path *path, ngtcp2_path_validation_result result, void *user) {
#endif
    (void)conn, (void)flags;
    OWNER(user);
    quic_address remote;
    if (result != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS || !quic_address_copy(&remote, path->remote.addr, path->remote.addrlen)) return 0;
    TELL(path_validated, &remote);
    return 0;
}

static void write_log(void *user, const char *format, ...) {
    OWNER(user);
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    TELL(logged, line);
}

static void write_qlog(void *user, uint32_t flags, const void *event, size_t length) {
    (void)flags;
    OWNER(user);
    if (length > 0) TELL(qlogged, event, length);
}

// MARK: Packet numbers, which the library keeps to itself

/// The connection that is being read or written: what seals and opens packets is not told.
static _Thread_local quic_connection *current;

/// Whether the header is that of a packet behind the handshake.
static bool is_short(const uint8_t *header, size_t length) { return length > 0 && (header[0] & 0x80) == 0; }

static int seal(
    uint8_t *destination, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context, const uint8_t *plaintext, size_t length,
    const uint8_t *nonce, size_t nonce_length, const uint8_t *header, size_t header_length) {
    if (current != NULL && is_short(header, header_length)) {
        current->last_number = quic_packet_number(header, header_length, current->last_number);
    }
    return ngtcp2_crypto_encrypt_cb(destination, aead, context, plaintext, length, nonce, nonce_length, header, header_length);
}

static int open_packet(
    uint8_t *destination, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context, const uint8_t *ciphertext, size_t length,
    const uint8_t *nonce, size_t nonce_length, const uint8_t *header, size_t header_length) {
    int result =
        ngtcp2_crypto_decrypt_cb(destination, aead, context, ciphertext, length, nonce, nonce_length, header, header_length);
    if (result == 0 && current != NULL && current->is_watched && is_short(header, header_length) && length >= aead->max_overhead) {
        quic_report_acknowledgements(current, destination, length - aead->max_overhead);
    }
    return result;
}

static void set_callbacks(ngtcp2_callbacks *callbacks, bool is_server) {
    quic_shim_set_cryptography(callbacks, is_server);
    callbacks->encrypt = seal;
    callbacks->decrypt = open_packet;
    callbacks->recv_crypto_data = crypto_received;
    callbacks->rand = random_bytes;
    callbacks->handshake_completed = completed;
    callbacks->handshake_confirmed = confirmed;
    callbacks->stream_open = stream_opened;
    callbacks->recv_stream_data = stream_received;
    callbacks->stream_reset = stream_reset;
    callbacks->stream_close = stream_closed;
    callbacks->acked_stream_data_offset = acknowledged;
    callbacks->extend_max_stream_data = stream_credited;
    callbacks->get_new_connection_id = cid_needed;
    callbacks->remove_connection_id = cid_retired;
    callbacks->dcid_status = cid_status;
    callbacks->path_validation = path_validated;
}

// MARK: Making and freeing

static void set_settings(ngtcp2_settings *settings, ngtcp2_transport_params *parameters, const quic_options *options) {
    ngtcp2_settings_default(settings);
    settings->initial_ts = options->now;
    settings->handshake_timeout = options->handshake_timeout;
    // The owner lets the connection's window grow; streams share it, and theirs need no more than a bound.
    settings->max_window = 0;
    settings->max_stream_window = options->maximum_stream_window;
    settings->cc_algo = options->congestion == QUIC_CONGESTION_BBR ? NGTCP2_CC_ALGO_BBR : NGTCP2_CC_ALGO_CUBIC;
    if (options->is_logged) settings->log_printf = write_log;
    if (options->is_qlogged) {
#if QUIC_SHIM_IS_1
        settings->qlog_write = write_qlog;
#else
        settings->qlog.write = write_qlog;
        if (options->is_server) copy_cid(&settings->qlog.odcid, &options->original);
#endif
    }
    ngtcp2_transport_params_default(parameters);
    parameters->initial_max_stream_data_bidi_local = options->stream_window;
    parameters->initial_max_stream_data_bidi_remote = options->stream_window;
    parameters->initial_max_data = options->window;
    parameters->initial_max_streams_bidi = options->streams;
    parameters->max_idle_timeout = options->idle_timeout;
    parameters->disable_active_migration = 0;
    if (!options->is_server) return;
    copy_cid(&parameters->original_dcid, &options->original);
#if QUIC_SHIM_IS_1
    parameters->original_dcid_present = 1;
#endif
    if (options->is_retried) {
        copy_cid(&parameters->retry_scid, &options->retry);
        parameters->retry_scid_present = 1;
    }
    memcpy(parameters->stateless_reset_token, options->reset_token, QUIC_RESET_TOKEN_LENGTH);
    parameters->stateless_reset_token_present = 1;
}

quic_connection *quic_connection_new(
    const quic_options *options, const quic_credentials *credentials, const quic_handlers *handlers, void *owner) {
    quic_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return NULL;
    connection->handlers = *handlers;
    connection->owner = owner;
    connection->reference.get_conn = find_conn;
    connection->reference.user_data = connection;
    connection->tls = quic_tls_new(connection, credentials, options->is_server);
    ngtcp2_callbacks callbacks;
    set_callbacks(&callbacks, options->is_server);
    ngtcp2_settings settings;
    ngtcp2_transport_params parameters;
    set_settings(&settings, &parameters, options);
    ngtcp2_cid remote, local;
    copy_cid(&remote, &options->remote);
    copy_cid(&local, &options->local);
    ngtcp2_path path;
    memset(&path, 0, sizeof path);
    path.local = quic_shim_addr(&options->local_address);
    path.remote = quic_shim_addr(&options->remote_address);
    int result = -1;
    connection->memory = quic_memory_new(0);
    if (connection->tls != NULL && connection->memory != NULL) {
        const ngtcp2_mem *memory = quic_memory_functions(connection->memory);
        result = options->is_server
                     ? ngtcp2_conn_server_new(
                           &connection->conn, &remote, &local, &path, options->version, &callbacks, &settings, &parameters, memory, connection)
                     : ngtcp2_conn_client_new(
                           &connection->conn, &remote, &local, &path, options->version, &callbacks, &settings, &parameters, memory, connection);
    }
    if (result != 0) {
        // The library may have left what it has freed.
        connection->conn = NULL;
        quic_connection_free(connection);
        return NULL;
    }
    ngtcp2_conn_set_tls_native_handle(awake(connection), quic_tls_handle(connection->tls));
    if (options->keep_alive > 0) quic_connection_keep_alive(connection, options->keep_alive);
    return connection;
}

static void free_tls(quic_connection *connection) {
    if (connection->tls == NULL) return;
    ngtcp2_conn_set_tls_native_handle(awake(connection), NULL);
    quic_tls_free(connection->tls);
    connection->tls = NULL;
}

void quic_connection_free(quic_connection *connection) {
    if (connection == NULL) return;
    if (connection->conn != NULL) {
        free_tls(connection);
        ngtcp2_conn_del(awake(connection));
    } else if (connection->tls != NULL) {
        quic_tls_free(connection->tls);
    }
    quic_memory_free(connection->memory);
    free(connection);
}

bool quic_connection_has_stirred(quic_connection *connection) {
    bool has_stirred = connection->has_stirred;
    connection->has_stirred = false;
    return has_stirred;
}

void quic_connection_rest(quic_connection *connection) {
    if (connection->is_resting) return;
    connection->expiry = ngtcp2_conn_get_expiry(connection->conn);
    connection->is_resting = quic_memory_pack(connection->memory) > 0;
}

bool quic_connection_is_resting(const quic_connection *connection) { return connection->is_resting; }

size_t quic_connection_held(const quic_connection *connection) { return quic_memory_held(connection->memory); }

// MARK: Packets

quic_result quic_connection_read(
    quic_connection *connection, const quic_address *local, const quic_address *remote, uint8_t ecn, const uint8_t *packet,
    size_t length, uint64_t now) {
    ngtcp2_path path;
    memset(&path, 0, sizeof path);
    path.local = quic_shim_addr(local);
    path.remote = quic_shim_addr(remote);
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    info.ecn = ecn;
    ngtcp2_conn *conn = awake(connection);
    current = connection;
    int result = ngtcp2_conn_read_pkt(conn, &path, &info, packet, length, now);
    current = NULL;
    // Not earlier: the callback that says so runs inside the session.
    if (connection->is_tls_done) free_tls(connection);
    return result_of(connection, result);
}

static void copy_route(quic_route *route, const ngtcp2_path_storage *storage, const ngtcp2_pkt_info *info) {
    quic_address_copy(&route->local, storage->path.local.addr, storage->path.local.addrlen);
    quic_address_copy(&route->remote, storage->path.remote.addr, storage->path.remote.addrlen);
    route->ecn = (uint8_t)(info->ecn & NGTCP2_ECN_MASK);
}

int64_t quic_connection_write(
    quic_connection *connection, quic_route *route, uint8_t *packet, size_t size, int64_t id, const quic_bytes *bytes, size_t count,
    bool is_last, bool may_have_more, int64_t *taken, uint64_t now) {
    ngtcp2_path_storage storage;
    ngtcp2_path_storage_zero(&storage);
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    ngtcp2_vec vectors[8];
    if (count > 8) count = 8;
    for (size_t i = 0; i < count; i++) {
        vectors[i].base = (uint8_t *)(uintptr_t)bytes[i].base;
        vectors[i].len = bytes[i].length;
    }
    uint32_t flags = (is_last ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0) | (may_have_more ? NGTCP2_WRITE_STREAM_FLAG_MORE : 0);
    ngtcp2_ssize stream_bytes = -1;
    ngtcp2_conn *conn = awake(connection);
    current = connection;
    ngtcp2_ssize written = ngtcp2_conn_writev_stream(
        conn, &storage.path, &info, packet, size, &stream_bytes, flags, id, vectors, count, now);
    current = NULL;
    *taken = (int64_t)stream_bytes;
    if (written > 0) {
        copy_route(route, &storage, &info);
        return written;
    }
    return written == 0 ? 0 : result_of(connection, (int)written);
}

void quic_connection_paced(quic_connection *connection, uint64_t now) { ngtcp2_conn_update_pkt_tx_time(awake(connection), now); }

size_t quic_connection_burst(quic_connection *connection) {
    size_t quantum = ngtcp2_conn_get_send_quantum(awake(connection));
    return quantum > PTRDIFF_MAX ? 0 : quantum;
}

size_t quic_connection_path_size(quic_connection *connection) {
    return ngtcp2_conn_get_path_max_tx_udp_payload_size(awake(connection));
}

uint64_t quic_connection_last_number(const quic_connection *connection) { return connection->last_number; }

void quic_connection_watch(quic_connection *connection, bool is_watched) { connection->is_watched = is_watched; }

int64_t quic_connection_close(
    quic_connection *connection, quic_route *route, uint8_t *packet, size_t size, bool is_application, uint64_t code, uint64_t now) {
    close_error error;
    close_error_default(&error);
    if (is_application) {
        close_error_application(&error, code, NULL, 0);
    } else if (connection->failure == NGTCP2_ERR_CRYPTO) {
        close_error_alert(&error, quic_connection_alert(connection), NULL, 0);
    } else if (connection->failure != 0) {
        close_error_library(&error, connection->failure, NULL, 0);
    }
    ngtcp2_path_storage storage;
    ngtcp2_path_storage_zero(&storage);
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    ngtcp2_ssize written = ngtcp2_conn_write_connection_close(awake(connection), &storage.path, &info, packet, size, &error, now);
    if (written > 0) copy_route(route, &storage, &info);
    return written < 0 ? 0 : written;
}

uint64_t quic_connection_peer_code(quic_connection *connection, bool *is_application, char *reason, size_t size) {
#if QUIC_SHIM_IS_1
    const close_error *error = ngtcp2_conn_get_ccerr(awake(connection));
#else
    close_error storage;
    ngtcp2_conn_get_connection_close_error(awake(connection), &storage);
    const close_error *error = &storage;
#endif
    *is_application = close_error_is_application(error);
    if (size > 0) {
        size_t length = error->reason == NULL ? 0 : error->reasonlen;
        if (length > size - 1) length = size - 1;
        if (length > 0) memcpy(reason, error->reason, length);
        reason[length] = 0;
    }
    return error->error_code;
}

uint8_t quic_connection_alert(quic_connection *connection) {
    return connection->alert != 0 ? connection->alert : ngtcp2_conn_get_tls_alert(awake(connection));
}

const char *quic_connection_failure(quic_connection *connection) {
    return connection->failure == 0 ? "no failure" : ngtcp2_strerror(connection->failure);
}

// MARK: Time

uint64_t quic_connection_expiry(quic_connection *connection) {
    return connection->is_resting ? connection->expiry : ngtcp2_conn_get_expiry(connection->conn);
}

quic_result quic_connection_expire(quic_connection *connection, uint64_t now) {
    return result_of(connection, ngtcp2_conn_handle_expiry(awake(connection), now));
}

void quic_connection_keep_alive(quic_connection *connection, uint64_t interval) {
    ngtcp2_conn_set_keep_alive_timeout(awake(connection), interval > 0 ? interval : keep_alive_never);
}

uint64_t quic_connection_peer_idle_timeout(quic_connection *connection) {
    const ngtcp2_transport_params *parameters = ngtcp2_conn_get_remote_transport_params(awake(connection));
    return parameters == NULL ? 0 : parameters->max_idle_timeout;
}

uint64_t quic_connection_probe_timeout(quic_connection *connection) { return ngtcp2_conn_get_pto(awake(connection)); }

// MARK: Streams

quic_result quic_connection_open_stream(quic_connection *connection, int64_t *id) {
    return result_of(connection, ngtcp2_conn_open_bidi_stream(awake(connection), id, NULL));
}

bool quic_connection_is_local(quic_connection *connection, int64_t id) {
    return ngtcp2_conn_is_local_stream(awake(connection), id) != 0;
}

void quic_connection_reset(quic_connection *connection, int64_t id, uint64_t code) {
#if QUIC_SHIM_IS_1
    (void)ngtcp2_conn_shutdown_stream_write(awake(connection), 0, id, code);
#else
    (void)ngtcp2_conn_shutdown_stream_write(awake(connection), id, code);
#endif
}

void quic_connection_stop(quic_connection *connection, int64_t id, uint64_t code) {
#if QUIC_SHIM_IS_1
    (void)ngtcp2_conn_shutdown_stream_read(awake(connection), 0, id, code);
#else
    (void)ngtcp2_conn_shutdown_stream_read(awake(connection), id, code);
#endif
}

void quic_connection_credit_stream(quic_connection *connection, int64_t id, uint64_t count) {
    (void)ngtcp2_conn_extend_max_stream_offset(awake(connection), id, count);
}

void quic_connection_credit(quic_connection *connection, uint64_t count) { ngtcp2_conn_extend_max_offset(awake(connection), count); }

void quic_connection_admit_stream(quic_connection *connection) { ngtcp2_conn_extend_max_streams_bidi(awake(connection), 1); }

uint64_t quic_connection_round_trip(quic_connection *connection) {
#if QUIC_SHIM_IS_1
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info(awake(connection), &info);
    return info.smoothed_rtt;
#else
    ngtcp2_conn_stat info;
    ngtcp2_conn_get_conn_stat(awake(connection), &info);
    return info.smoothed_rtt;
#endif
}

bool quic_connection_path_state(quic_connection *connection, uint64_t *round_trip, uint64_t *last_congestion) {
#if QUIC_SHIM_IS_1
    *round_trip = quic_connection_round_trip(connection);
    *last_congestion = UINT64_MAX;
    return false;
#else
    ngtcp2_conn_stat info;
    ngtcp2_conn_get_conn_stat(awake(connection), &info);
    *round_trip = info.first_rtt_sample_ts == UINT64_MAX ? 0 : info.smoothed_rtt;
    *last_congestion = info.congestion_recovery_start_ts;
    return true;
#endif
}

quic_result quic_connection_migrate(
    quic_connection *connection, const quic_address *local, const quic_address *remote, uint64_t now) {
    ngtcp2_path path;
    memset(&path, 0, sizeof path);
    path.local = quic_shim_addr(local);
    path.remote = quic_shim_addr(remote);
    // A peer that does not allow it, or has no connection id left for it, changes nothing about the connection.
    return ngtcp2_conn_initiate_immediate_migration(awake(connection), &path, now) == 0 ? QUIC_OK : QUIC_FAILED;
}

const char *quic_library(void) { return ngtcp2_version(0)->version_str; }

#endif
