#include "internal.h"

#if defined(QUIC_TLS_OPENSSL) && __has_include(<ngtcp2/ngtcp2.h>) && __has_include(<ngtcp2/ngtcp2_crypto_ossl.h>)

#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

// As ALPN has it: one length byte before each name.
static const uint8_t protocols[] = {6, 'l', 'i', 'b', 'p', '2', 'p'};

struct quic_credentials {
    SSL_CTX *client;
    SSL_CTX *server;
};

/// The session and what ngtcp2 keeps beside it.
struct session {
    SSL *ssl;
    ngtcp2_crypto_ossl_ctx *context;
};

bool quic_random(uint8_t *bytes, size_t length) { return RAND_bytes(bytes, (int)length) == 1; }

const char *quic_tls_name(void) { return "OpenSSL"; }

/// Without the extension ALPN, from a client or from a server, the library goes on without it.
static bool has_agreed(const SSL *ssl) {
    const unsigned char *chosen = NULL;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &length);
    return length == protocols[0] && memcmp(chosen, protocols + 1, length) == 0;
}

/// Asks the owner about the peer's certificate in place of OpenSSL's own path building.
static int verify(X509_STORE_CTX *store, void *argument) {
    (void)argument;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    ngtcp2_crypto_conn_ref *reference = SSL_get_app_data(ssl);
    quic_connection *connection = reference->user_data;
    // What was chosen is known by the time of a certificate.
    if (!has_agreed(ssl)) {
        connection->alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return 0;
    }
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
    uint8_t *der = NULL;
    int length = certificate == NULL ? -1 : i2d_X509(certificate, &der);
    if (length <= 0) return 0;
    int count = chain == NULL ? 1 : sk_X509_num(chain);
    bool is_good = connection->handlers.certificate(connection->owner, der, (size_t)length, count < 1 ? 1 : (size_t)count);
    OPENSSL_free(der);
    // The one that becomes the alert bad_certificate.
    if (!is_good) X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return is_good ? 1 : 0;
}

static int choose_protocol(
    SSL *ssl, const unsigned char **chosen, unsigned char *chosen_length, const unsigned char *offered, unsigned int length, void *argument) {
    (void)ssl, (void)argument;
    unsigned char *choice = NULL;
    if (SSL_select_next_proto(&choice, chosen_length, protocols, sizeof protocols, offered, length) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = choice;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(const SSL_METHOD *method, X509 *certificate, EVP_PKEY *key) {
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL) return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify, NULL);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1
        || SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1 || SSL_CTX_use_certificate(context, certificate) != 1
        || SSL_CTX_use_PrivateKey(context, key) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

quic_credentials *quic_credentials_new(
    const uint8_t *certificate, size_t certificate_length, const uint8_t *key, size_t key_length, const char **reason) {
    *reason = "OpenSSL refuses the certificate or its key";
    quic_credentials *credentials = calloc(1, sizeof *credentials);
    X509 *x509 = d2i_X509(NULL, &certificate, (long)certificate_length);
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &key, (long)key_length);
    if (credentials != NULL && x509 != NULL && pkey != NULL && ngtcp2_crypto_ossl_init() == 0) {
        credentials->client = make_context(TLS_client_method(), x509, pkey);
        credentials->server = make_context(TLS_server_method(), x509, pkey);
    }
    X509_free(x509);
    EVP_PKEY_free(pkey);
    if (credentials != NULL && (credentials->client == NULL || credentials->server == NULL)) {
        quic_credentials_free(credentials);
        return NULL;
    }
    return credentials;
}

void quic_credentials_free(quic_credentials *credentials) {
    if (credentials == NULL) return;
    SSL_CTX_free(credentials->client);
    SSL_CTX_free(credentials->server);
    free(credentials);
}

void *quic_tls_new(quic_connection *connection, const quic_credentials *credentials, bool is_server) {
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    session->ssl = SSL_new(is_server ? credentials->server : credentials->client);
    if (session->ssl == NULL || ngtcp2_crypto_ossl_ctx_new(&session->context, session->ssl) != 0) {
        quic_tls_free(session);
        return NULL;
    }
    SSL_set_app_data(session->ssl, &connection->reference);
    int result = is_server ? ngtcp2_crypto_ossl_configure_server_session(session->ssl)
                           : ngtcp2_crypto_ossl_configure_client_session(session->ssl);
    if (result != 0 || (!is_server && SSL_set_alpn_protos(session->ssl, protocols, sizeof protocols) != 0)) {
        quic_tls_free(session);
        return NULL;
    }
    if (is_server) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
    }
    return session;
}

void *quic_tls_handle(void *tls) { return ((struct session *)tls)->context; }

void quic_tls_free(void *tls) {
    struct session *session = tls;
    if (session->ssl != NULL) {
        SSL_set_app_data(session->ssl, NULL);
        SSL_free(session->ssl);
    }
    if (session->context != NULL) ngtcp2_crypto_ossl_ctx_del(session->context);
    free(session);
}

#endif
