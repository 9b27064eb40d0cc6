// Constants from OpenSSL 3's headers: ssl.h, tls1.h, bio.h, x509_vfy.h.

export const SSL_FILETYPE_PEM = 1;

export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_ZERO_RETURN = 6;

export const SSL_OP_NO_TICKET = 2 ** 14;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 2 ** 22;
export const SSL_OP_NO_RENEGOTIATION = 2 ** 30;

export const SSL_MODE_ENABLE_PARTIAL_WRITE = 1;
export const SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 2;
export const SSL_MODE_RELEASE_BUFFERS = 16;

export const SSL_SESS_CACHE_OFF = 0;

export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;

/** close_notify sent and received. Freeing an SSL in this state keeps its session resumable. */
export const SSL_BOTH_SHUTDOWN = 3;

export const SSL_CTRL_MODE = 33;
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
export const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
export const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
export const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;

export const TLS1_2_VERSION = 0x0303;
export const TLS1_3_VERSION = 0x0304;

/**
 * Results of the ALPN callback: a protocol was selected, or no protocol was, which ends the handshake with an
 * alert.
 */
export const SSL_TLSEXT_ERR_OK = 0;
export const SSL_TLSEXT_ERR_ALERT_FATAL = 2;

export const BIO_CTRL_RESET = 1;
export const BIO_CTRL_PENDING = 10;

/** ID of the SSL library in error codes, and the first of its reasons that represent alerts from the peer. */
export const ERR_LIB_SSL = 20;
export const SSL_AD_REASON_OFFSET = 1000;
export const SSL_R_CERTIFICATE_VERIFY_FAILED = 134;

export const X509_V_OK = 0;
