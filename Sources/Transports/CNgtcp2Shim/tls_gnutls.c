#include "internal.h"

#if !defined(QUIC_TLS_OPENSSL) && __has_include(<ngtcp2/ngtcp2.h>) && __has_include(<ngtcp2/ngtcp2_crypto_gnutls.h>)

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <stdlib.h>
#include <string.h>

// TLS 1.3 alone; AES before ChaCha20, of which GnuTLS makes a tenth of the bytes per second; no tickets, no compatibility.
static const char priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";

static const char protocol[] = "libp2p";

struct quic_credentials {
    gnutls_certificate_credentials_t certificate;
    gnutls_priority_t priorities;
};

bool quic_random(uint8_t *bytes, size_t length) { return gnutls_rnd(GNUTLS_RND_RANDOM, bytes, length) == 0; }

const char *quic_tls_name(void) { return "GnuTLS"; }

static quic_connection *owner_of(gnutls_session_t session) {
    ngtcp2_crypto_conn_ref *reference = gnutls_session_get_ptr(session);
    return reference->user_data;
}

static bool has_agreed(gnutls_session_t session) {
    gnutls_datum_t chosen;
    return gnutls_alpn_get_selected_protocol(session, &chosen) == 0 && chosen.size == sizeof protocol - 1
           && memcmp(chosen.data, protocol, chosen.size) == 0;
}

/// A client must offer ALPN `libp2p`; without the extension, the library would go on without it.
static int check_offer(gnutls_session_t session, unsigned int type, unsigned int when, unsigned int incoming, const gnutls_datum_t *message) {
    (void)type, (void)when, (void)incoming, (void)message;
    return has_agreed(session) ? 0 : GNUTLS_E_NO_APPLICATION_PROTOCOL;
}

/// Asks the owner about the peer's certificate. Not zero fails the handshake with the alert bad_certificate.
static int verify(gnutls_session_t session) {
    // A server's choice is known by the time of its certificate.
    if (!has_agreed(session)) return GNUTLS_E_NO_APPLICATION_PROTOCOL;
    quic_connection *connection = owner_of(session);
    unsigned int count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (chain == NULL || count == 0) return GNUTLS_E_NO_CERTIFICATE_FOUND;
    bool is_good = connection->handlers.certificate(connection->owner, chain[0].data, chain[0].size, count);
    return is_good ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

quic_credentials *quic_credentials_new(
    const uint8_t *certificate, size_t certificate_length, const uint8_t *key, size_t key_length, const char **reason) {
    quic_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        *reason = "out of memory";
        return NULL;
    }
    gnutls_datum_t certificate_datum = {(unsigned char *)(uintptr_t)certificate, (unsigned int)certificate_length};
    gnutls_datum_t key_datum = {(unsigned char *)(uintptr_t)key, (unsigned int)key_length};
    int result = gnutls_priority_init(&credentials->priorities, priorities, NULL);
    if (result == 0) result = gnutls_certificate_allocate_credentials(&credentials->certificate);
    if (result == 0) {
        result = gnutls_certificate_set_x509_key_mem2(
            credentials->certificate, &certificate_datum, &key_datum, GNUTLS_X509_FMT_DER, NULL, 0);
        // It returns the number of the key pair.
        if (result > 0) result = 0;
    }
    if (result != 0) {
        *reason = gnutls_strerror(result);
        quic_credentials_free(credentials);
        return NULL;
    }
    gnutls_certificate_set_verify_function(credentials->certificate, verify);
    return credentials;
}

void quic_credentials_free(quic_credentials *credentials) {
    if (credentials == NULL) return;
    if (credentials->certificate != NULL) gnutls_certificate_free_credentials(credentials->certificate);
    if (credentials->priorities != NULL) gnutls_priority_deinit(credentials->priorities);
    free(credentials);
}

void *quic_tls_new(quic_connection *connection, const quic_credentials *credentials, bool is_server) {
    gnutls_session_t session = NULL;
    unsigned int flags = is_server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT | GNUTLS_NO_TICKETS;
    if (gnutls_init(&session, flags) != 0) return NULL;
    gnutls_datum_t alpn = {(unsigned char *)(uintptr_t)protocol, sizeof protocol - 1};
    bool is_ready =
        gnutls_priority_set(session, credentials->priorities) == 0
        && gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->certificate) == 0
        && gnutls_alpn_set_protocols(session, &alpn, 1, GNUTLS_ALPN_MANDATORY) == 0
        && (is_server ? ngtcp2_crypto_gnutls_configure_server_session(session) : ngtcp2_crypto_gnutls_configure_client_session(session)) == 0;
    if (!is_ready) {
        gnutls_deinit(session);
        return NULL;
    }
    gnutls_session_set_ptr(session, &connection->reference);
    if (is_server) {
        gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST, check_offer);
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    }
    return session;
}

void quic_tls_free(void *tls) { gnutls_deinit(tls); }

void *quic_tls_handle(void *tls) { return tls; }

#endif
