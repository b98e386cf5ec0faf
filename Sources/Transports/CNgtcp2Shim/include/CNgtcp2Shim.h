// What P2PQUIC needs of ngtcp2, its TLS backend and UDP sockets, free of macros and of types that change between versions.
//
// Without ngtcp2's headers (a build without the trait QUIC) the sources of this target are empty.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Addresses

/// An IPv4 or IPv6 socket address.
typedef struct quic_address {
    uint32_t storage[7];
    uint32_t length;
} quic_address;

/// False unless `ip` has 4 or 16 bytes.
bool quic_address_set(quic_address *address, const uint8_t *ip, size_t ip_length, uint16_t port, uint32_t scope);
/// Copies a `struct sockaddr`; false for other families than IPv4 and IPv6.
bool quic_address_copy(quic_address *address, const void *sockaddr, size_t length);
bool quic_address_equal(const quic_address *left, const quic_address *right);
uint16_t quic_address_port(const quic_address *address);
void quic_address_set_port(quic_address *address, uint16_t port);
uint32_t quic_address_scope(const quic_address *address);
/// Writes the 4 or 16 bytes of the IP address, and says how many.
size_t quic_address_ip(const quic_address *address, uint8_t bytes[16]);

// MARK: Sockets. These return 0 or an errno.

/// Opens and binds a UDP socket that never fragments, and reads its real address back.
int quic_socket_open(const quic_address *local, int *descriptor, quic_address *bound);
/// The local address that the system would send from to `remote`; nothing is sent.
int quic_socket_route(const quic_address *remote, quic_address *local);
/// Sends one datagram, or with `segment` > 0 as many as `length` holds, each of `segment` bytes but the last.
/// `source` chooses the local IP address; NULL leaves it to the system.
int quic_socket_send(
    int descriptor, const uint8_t *bytes, size_t length, size_t segment, const quic_address *remote, const quic_address *source,
    uint8_t ecn);
void quic_socket_close(int descriptor);
/// Another descriptor of the same socket.
int quic_socket_duplicate(int descriptor, int *copy);
/// Whether the system lets anybody wait for the socket; returns an errno. NIO traps where a socket that is bound already can't be waited for.
int quic_socket_try_poll(int descriptor);
/// Whether the kernel splits what is sent into segments (GSO).
bool quic_socket_segments(int descriptor);

// MARK: Packets outside connections

#define QUIC_MAXIMUM_CID_LENGTH 20
#define QUIC_RESET_TOKEN_LENGTH 16

typedef struct quic_cid {
    uint8_t length;
    uint8_t bytes[QUIC_MAXIMUM_CID_LENGTH];
} quic_cid;

/// Fills memory with bytes that nobody can guess; false when the system has none.
bool quic_random(uint8_t *bytes, size_t length);
/// The stateless reset token that belongs to a connection id under a secret; false when it could not be derived.
bool quic_reset_token(uint8_t token[QUIC_RESET_TOKEN_LENGTH], const uint8_t *secret, size_t secret_length, const quic_cid *cid);

typedef enum quic_initial : int32_t {
    /// A well-formed client Initial.
    QUIC_INITIAL_VALID = 0,
    /// Anything else.
    QUIC_INITIAL_INVALID = 1,
    /// It carries a Retry token of ours for this address, still valid.
    QUIC_INITIAL_VALIDATED = 2,
    /// It carries a token that looks like a Retry token of ours, and is not valid.
    QUIC_INITIAL_BAD_TOKEN = 3,
} quic_initial;

/// Examines a client Initial and its token. With QUIC_INITIAL_VALIDATED, `original` is the connection id of the Initial
/// that the Retry answered.
quic_initial quic_initial_examine(
    const uint8_t *packet, size_t length, const quic_address *remote, const uint8_t *secret, size_t secret_length, uint64_t now,
    quic_cid *original);
/// Writes a Retry for a client Initial with these connection ids; 0 when it can't be.
size_t quic_write_retry(
    uint8_t *destination, size_t size, uint32_t version, const quic_cid *client, const quic_cid *original, const quic_cid *fresh,
    const quic_address *remote, const uint8_t *secret, size_t secret_length, uint64_t now);
/// Writes a CONNECTION_CLOSE in answer to a client Initial, without a connection; 0 when it can't be.
size_t quic_write_refusal(
    uint8_t *destination, size_t size, uint32_t version, const quic_cid *client, const quic_cid *server, uint64_t error);

// MARK: Memory

/// The memory that the library has for one connection. Not for two threads at once.
typedef struct quic_memory quic_memory;
/// For pages of so many bytes, as the system has them; 0: ask the system. NULL when there is no memory.
quic_memory *quic_memory_new(size_t page);
/// Nothing that was allocated in it may be in use any more.
void quic_memory_free(quic_memory *memory);
void *quic_memory_allocate(size_t size, void *memory);
void *quic_memory_allocate_zeros(size_t count, size_t size, void *memory);
void *quic_memory_reallocate(void *block, size_t size, void *memory);
void quic_memory_release(void *block, void *memory);
/// How many bytes of it are in use: whole cells of 4 KiB for large blocks.
size_t quic_memory_held(const quic_memory *memory);
/// Whether the system tells which pages this process has, as Linux does; otherwise all that are taken are looked at.
bool quic_memory_sees_pages(void);
/// Copies together what is not zero in large blocks, and gives their pages back to the system. Until quic_memory_unpack nobody may
/// look at them. Returns the bytes that are left; 0 when nothing was done, and nothing is to be undone.
size_t quic_memory_pack(quic_memory *memory);
void quic_memory_unpack(quic_memory *memory);

// MARK: Connections

/// The certificate and key of this node, and the TLS settings.
typedef struct quic_credentials quic_credentials;
/// NULL when the library refuses them; `reason` then says why.
quic_credentials *quic_credentials_new(
    const uint8_t *certificate, size_t certificate_length, const uint8_t *key, size_t key_length, const char **reason);
void quic_credentials_free(quic_credentials *credentials);

typedef struct quic_connection quic_connection;

/// What a connection asks and tells its owner. None may call back into the connection but where it says so.
typedef struct quic_handlers {
    /// Whether the peer's certificate, in DER, is good. Called within the handshake.
    bool (*certificate)(void *owner, const uint8_t *der, size_t length, size_t count);
    void (*completed)(void *owner);
    void (*stream_opened)(void *owner, int64_t id);
    void (*stream_received)(void *owner, int64_t id, const uint8_t *bytes, size_t length, bool is_last);
    void (*stream_reset)(void *owner, int64_t id, uint64_t code);
    void (*stream_closed)(void *owner, int64_t id);
    /// Bytes up to `offset` have been acknowledged.
    void (*stream_acknowledged)(void *owner, int64_t id, uint64_t offset);
    /// The peer has all packets with these numbers; see quic_connection_watch.
    void (*acknowledged)(void *owner, uint64_t first, uint64_t last);
    /// A stream that was out of credit has some.
    void (*stream_credited)(void *owner, int64_t id);
    /// A new connection id of ours is needed, with its stateless reset token.
    bool (*cid_needed)(void *owner, quic_cid *cid, uint8_t token[QUIC_RESET_TOKEN_LENGTH]);
    void (*cid_retired)(void *owner, const quic_cid *cid);
    /// The peer's stateless reset token for the connection id that we now send to, or no longer send to.
    void (*reset_token)(void *owner, const uint8_t token[QUIC_RESET_TOKEN_LENGTH], bool is_active);
    /// The peer has proved that it receives at an address that it has moved to.
    void (*path_validated)(void *owner, const quic_address *remote);
    /// A connection that rested is at work again; see quic_connection_rest.
    void (*woken)(void *owner);
    /// A line of the library's own log; see `is_logged`.
    void (*logged)(void *owner, const char *line);
    /// An event of the connection's qlog, as a record of a JSON text sequence; see `is_qlogged`. Called also while the connection is made and freed.
    void (*qlogged)(void *owner, const uint8_t *event, size_t length);
} quic_handlers;

typedef enum quic_congestion : int32_t { QUIC_CONGESTION_CUBIC = 0, QUIC_CONGESTION_BBR = 1 } quic_congestion;

/// Times are nanoseconds of one monotonic clock.
typedef struct quic_options {
    bool is_server;
    uint32_t version;
    /// A client's first guess at the server's connection id, or the id that the client gave itself.
    quic_cid remote;
    quic_cid local;
    /// Servers: the connection id of the client's very first Initial.
    quic_cid original;
    /// Servers: the connection id that our Retry gave, when there was one.
    quic_cid retry;
    bool is_retried;
    uint8_t reset_token[QUIC_RESET_TOKEN_LENGTH];
    quic_address local_address;
    quic_address remote_address;
    uint64_t stream_window;
    uint64_t maximum_stream_window;
    uint64_t window;
    uint64_t streams;
    uint64_t idle_timeout;
    uint64_t handshake_timeout;
    /// 0 for none.
    uint64_t keep_alive;
    quic_congestion congestion;
    /// Hand out the library's log, line by line; much.
    bool is_logged;
    /// Hand out a qlog.
    bool is_qlogged;
    uint64_t now;
} quic_options;

/// What a call came to; numbers below zero, for they share a return value with sizes.
typedef enum quic_result : int32_t {
    QUIC_OK = 0,
    /// The packet has room for more; go on with another stream or with none.
    QUIC_MORE = -1,
    QUIC_STREAM_BLOCKED = -2,
    QUIC_STREAM_FINISHED = -3,
    QUIC_STREAM_UNKNOWN = -4,
    QUIC_STREAM_LIMIT = -5,
    /// The peer closed or reset the connection.
    QUIC_DRAINING = -6,
    QUIC_CLOSING = -7,
    /// Nothing more is to be sent.
    QUIC_DROP = -8,
    QUIC_IDLE = -9,
    QUIC_HANDSHAKE_TIMEOUT = -10,
    /// The TLS handshake failed; see quic_connection_alert.
    QUIC_CRYPTO = -11,
    QUIC_VERSION = -12,
    QUIC_FAILED = -13,
} quic_result;

/// NULL when it could not be made.
quic_connection *quic_connection_new(
    const quic_options *options, const quic_credentials *credentials, const quic_handlers *handlers, void *owner);
void quic_connection_free(quic_connection *connection);
/// Whether anything was asked of a connection since this was last asked.
bool quic_connection_has_stirred(quic_connection *connection);
/// Packs the connection's memory, where there is something to pack. What is asked of it next wakes it.
void quic_connection_rest(quic_connection *connection);
bool quic_connection_is_resting(const quic_connection *connection);
/// How many bytes the library has in use for the connection, packets that wait for those before them included.
size_t quic_connection_held(const quic_connection *connection);

quic_result quic_connection_read(
    quic_connection *connection, const quic_address *local, const quic_address *remote, uint8_t ecn, const uint8_t *packet,
    size_t length, uint64_t now);

/// Where a packet that was written is to go.
typedef struct quic_route {
    quic_address local;
    quic_address remote;
    uint8_t ecn;
} quic_route;

/// Bytes of a stream; they must stay where they are until they are acknowledged or the stream closes.
typedef struct quic_bytes {
    const uint8_t *base;
    size_t length;
} quic_bytes;

/// Writes a packet and returns its size, 0 when there is nothing to send now, or a ``quic_result``.
///
/// `id` -1 writes no stream data. `taken` is how many bytes the packet took, -1 when no STREAM frame was written.
/// With `may_have_more`, QUIC_MORE says that the same packet is to be continued.
int64_t quic_connection_write(
    quic_connection *connection, quic_route *route, uint8_t *packet, size_t size, int64_t id, const quic_bytes *bytes, size_t count,
    bool is_last, bool may_have_more, int64_t *taken, uint64_t now);
/// A burst has been written; paces the next.
void quic_connection_paced(quic_connection *connection, uint64_t now);
/// Bytes that one burst may have before the connection waits for its next expiry; 0 when it need not.
size_t quic_connection_burst(quic_connection *connection);
/// The size that the library has found the path to take.
size_t quic_connection_path_size(quic_connection *connection);
/// The number of the last packet that was written, of those behind the handshake.
uint64_t quic_connection_last_number(const quic_connection *connection);
/// Whether the owner wants to hear which packets the peer acknowledges; wakes nobody.
void quic_connection_watch(quic_connection *connection, bool is_watched);

/// Writes the last packet: an application's code, or with `is_application` false the reason for which a call failed last.
int64_t quic_connection_close(
    quic_connection *connection, quic_route *route, uint8_t *packet, size_t size, bool is_application, uint64_t code, uint64_t now);
/// Why the peer closed: its number, whether an application gave it, and how much of its text fits.
uint64_t quic_connection_peer_code(quic_connection *connection, bool *is_application, char *reason, size_t size);
/// The TLS alert behind QUIC_CRYPTO; 0 when there is none.
uint8_t quic_connection_alert(quic_connection *connection);
/// What the library calls the reason for which a call failed last.
const char *quic_connection_failure(quic_connection *connection);

/// When quic_connection_expire is due; to ask wakes nobody.
uint64_t quic_connection_expiry(quic_connection *connection);
quic_result quic_connection_expire(quic_connection *connection, uint64_t now);
/// After so long a silence the peer is asked whether it lives; 0 never asks.
void quic_connection_keep_alive(quic_connection *connection, uint64_t interval);
/// The silence after which the peer forgets the connection, as it said in the handshake, in nanoseconds; 0 for never.
uint64_t quic_connection_peer_idle_timeout(quic_connection *connection);
/// The probe timeout, in nanoseconds.
uint64_t quic_connection_probe_timeout(quic_connection *connection);

quic_result quic_connection_open_stream(quic_connection *connection, int64_t *id);
bool quic_connection_is_local(quic_connection *connection, int64_t id);
/// Abandons the sending part (RESET_STREAM), the receiving part (STOP_SENDING), or both.
void quic_connection_reset(quic_connection *connection, int64_t id, uint64_t code);
void quic_connection_stop(quic_connection *connection, int64_t id, uint64_t code);
/// Gives the peer credit for bytes of a stream, and of the connection.
void quic_connection_credit_stream(quic_connection *connection, int64_t id, uint64_t count);
void quic_connection_credit(quic_connection *connection, uint64_t count);
/// The peer may open another stream.
void quic_connection_admit_stream(quic_connection *connection);

/// The smoothed round-trip time, in nanoseconds.
uint64_t quic_connection_round_trip(quic_connection *connection);
/// The smoothed round-trip time, 0 before it is measured, and when the last loss made us send more slowly, UINT64_MAX for never. False where the
/// library does not say the latter.
bool quic_connection_path_state(quic_connection *connection, uint64_t *round_trip, uint64_t *last_congestion);
/// Goes on from another local address, at once; clients only. QUIC_FAILED when the peer does not let us.
quic_result quic_connection_migrate(
    quic_connection *connection, const quic_address *local, const quic_address *remote, uint64_t now);
/// The version of ngtcp2 that runs, and the TLS library's name.
const char *quic_library(void);
