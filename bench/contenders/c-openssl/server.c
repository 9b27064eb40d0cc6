// TLS server in C over OpenSSL: one thread, one epoll loop, a P-256 certificate that signs itself. Greets with "hello"
// and holds each connection until the peer closes it.
// Usage: server <port>. Prints "listening", and stops on SIGTERM.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1 << 20 };

static SSL *sessions[MOST];
static char is_greeted[MOST];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static SSL_CTX *make_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME *name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  return context;
}

static void end(int fd) {
  SSL_free(sessions[fd]);
  sessions[fd] = NULL;
  close(fd);
}

static void go_on(int fd) {
  static char buffer[65536];
  SSL *session = sessions[fd];
  if (!is_greeted[fd]) {
    int done = SSL_accept(session);
    if (done <= 0) {
      int reason = SSL_get_error(session, done);
      if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) end(fd);
      return;
    }
    is_greeted[fd] = 1;
    if (SSL_write(session, "hello", 5) != 5) {
      end(fd);
      return;
    }
  }
  for (;;) {
    int got = SSL_read(session, buffer, sizeof buffer);
    if (got > 0) continue;
    if (SSL_get_error(session, got) != SSL_ERROR_WANT_READ) end(fd);
    return;
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: server <port>\n");
    return 2;
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  SSL_CTX *context = make_context();

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
  if (listen(listener, 65535)) die("listen");

  int ep = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
  printf("listening\n");
  fflush(stdout);

  static struct epoll_event events[512];
  for (;;) {
    int n = epoll_wait(ep, events, 512, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      int ready = events[i].data.fd;
      if (ready != listener) {
        if (sessions[ready]) go_on(ready);
        continue;
      }
      for (int batch = 0; batch < 16; batch++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) break;
        sessions[fd] = SSL_new(context);
        is_greeted[fd] = 0;
        SSL_set_fd(sessions[fd], fd);
        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
        event.data.fd = fd;
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
      }
    }
  }
}
