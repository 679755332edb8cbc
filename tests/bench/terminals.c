/* Simulated terminals and an epoll master for Q/GDW 1376.1, loopback only, bounded.  gcc -O3 -o terminals terminals.c
   terminals sim PORT N         N terminals dial in to 127.0.0.1:PORT, log in (AFN 02 F1), answer every read of
                                current data (AFN 0C F25); end when the master closes or after 120 s. Prints {"answered"}.
   terminals serve N ROUNDS     master: waits for N log-ins (confirms each), then ROUNDS rounds of one read and one
                                checked answer with three decoded voltages per terminal; starts the sim itself. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static double cpu(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void raise_files(void) { struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = r.rlim_max; setrlimit(RLIMIT_NOFILE, &r); }
/* a frame: control, address (A2 = number, A1 = 3701), MSA, AFN, SEQ, user data */
static int make(uint8_t *f, int c, uint32_t id, int msa, int afn, int seq, const uint8_t *d, int n) {
  int length = 8 + n, word = length << 2 | 2;
  f[0] = f[5] = 0x68; f[1] = f[3] = word; f[2] = f[4] = word >> 8;
  f[6] = c; f[7] = 0x01; f[8] = 0x37; f[9] = id; f[10] = id >> 8; f[11] = msa << 1; f[12] = afn; f[13] = seq;
  memcpy(f + 14, d, n);
  uint8_t s = 0; for (int k = 6; k < 6 + length; k++) s += f[k];
  f[6 + length] = s; f[7 + length] = 0x16; return length + 8; }
static int check(const uint8_t *f, int n) { /* length of a whole, right frame, or 0 */
  if (n < 16 || f[0] != 0x68 || f[5] != 0x68 || f[1] != f[3] || f[2] != f[4]) return 0;
  int length = (f[1] | f[2] << 8) >> 2; if (n < length + 8 || f[length + 7] != 0x16) return 0;
  uint8_t s = 0; for (int k = 6; k < 6 + length; k++) s += f[k];
  return s == f[length + 6] ? length + 8 : 0; }
static const uint8_t F1[4] = {0, 0, 1, 0}, F25[4] = {1, 1, 1, 3};
static int answer(uint8_t *d, uint32_t id) { /* F25: read time, then powers, factors, voltages, currents */
  static const uint8_t body[] = {0x15, 8, 1, 7, 0x26, 0, 0x50, 1, 0, 0x50, 0, 0, 0x50, 0, 0, 0x50, 0, 0, 0x20, 0, 0, 0x10, 0, 0, 5, 0, 0, 5, 0,
    0x90, 9, 0x90, 9, 0x90, 9, 0x90, 9, 0x01, 0x22, 0x02, 0x22, 0x03, 0x22, 0, 0x15, 0, 0, 0x16, 0, 0, 0x17, 0, 0, 0, 0, 0, 0x60, 1, 0, 0x50, 0, 0, 0x50, 0, 0, 0x60, 0};
  memcpy(d, F25, 4); memcpy(d + 4, body, sizeof body); d[4 + 37] = (d[4 + 37] & 0xF0) | id % 10; return 4 + sizeof body; }
static int sim(int port, int N) {
  raise_files(); alarm(120);
  int ep = epoll_create1(0), made = 0, up = 0, gone = 0; uint8_t b[1024], o[256], d[128]; long answered = 0;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)}; a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct epoll_event ev[512]; uint32_t *idof = calloc(1 << 20, 4);
  while (gone < N) {
    while (made < N && made - up < 256) {
      int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); if (s < 0) { perror("socket"); return 1; }
      int one = 1; setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      setsockopt(s, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
      struct sockaddr_in src = {.sin_family = AF_INET}; src.sin_addr.s_addr = htonl(INADDR_LOOPBACK + made / 8000);
      bind(s, (void *)&src, sizeof src);
      if (connect(s, (void *)&a, sizeof a) && errno != EINPROGRESS) { perror("connect"); return 1; }
      idof[s] = ++made; struct epoll_event e = {.events = EPOLLOUT, .data.fd = s}; epoll_ctl(ep, EPOLL_CTL_ADD, s, &e); }
    int n = epoll_wait(ep, ev, 512, 1000);
    for (int i = 0; i < n; i++) { int s = ev[i].data.fd;
      if (ev[i].events & EPOLLOUT) { up++; struct epoll_event e = {.events = EPOLLIN, .data.fd = s}; epoll_ctl(ep, EPOLL_CTL_MOD, s, &e);
        int L = make(o, 0xC9, idof[s], 0, 2, 0x70, F1, 4); if (write(s, o, L) != L) { close(s); gone++; } continue; }
      int r = read(s, b, sizeof b); if (r <= 0) { close(s); gone++; continue; }
      uint8_t *p = b; int L;
      while ((L = check(p, r))) {
        if (p[12] == 0x0C && !memcmp(p + 14, F25, 4)) { int M = make(o, 0x88, idof[s], p[11] >> 1, 0x0C, 0x60 | (p[13] & 15), d, answer(d, idof[s]));
          if (write(s, o, M) == M) answered++; }
        p += L; r -= L; } } }
  printf("{\"answered\":%ld}\n", answered);
  return 0; }
static int less(const void *a, const void *b) { double x = *(double *)a - *(double *)b; return x < 0 ? -1 : x > 0; }
int main(int c, char **v) {
  if (c >= 4 && !strcmp(v[1], "sim")) return sim(atoi(v[2]), atoi(v[3]));
  if (c < 4) return 2;
  int N = atoi(v[2]), R = atoi(v[3]); raise_files(); alarm(120);
  int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); struct sockaddr_in a = {.sin_family = AF_INET}; a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(ls, (void *)&a, sizeof a); listen(ls, 4096); socklen_t al = sizeof a; getsockname(ls, (void *)&a, &al);
  pid_t pid = fork();
  if (!pid) { char p[16]; snprintf(p, 16, "%d", ntohs(a.sin_port)); if (!freopen("/dev/null", "w", stdout)) _exit(1); execl("/proc/self/exe", v[0], "sim", p, v[2], NULL); _exit(1); }
  int ep = epoll_create1(0); struct epoll_event e = {.events = EPOLLIN, .data.fd = ls}, ev[1024]; epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
  int *fd = malloc(N * sizeof(int)), nf = 0, in = 0; uint8_t b[1024], o[64]; uint32_t *tid = calloc(1 << 20, 4);
  double t0 = now(), c0 = cpu(), login = 0, loginc = 0, w[100], q[100]; int64_t sum = 0; int r = -1, got = 0; double rt = 0, rc = 0;
  while (r < R) { int start = 0;
    int n = epoll_wait(ep, ev, 1024, 1000);
    for (int i = 0; i < n; i++) { int s = ev[i].data.fd;
      if (s == ls) { int k; while ((k = accept4(ls, 0, 0, SOCK_NONBLOCK)) >= 0) { int one = 1; setsockopt(k, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
          struct epoll_event x = {.events = EPOLLIN, .data.fd = k}; epoll_ctl(ep, EPOLL_CTL_ADD, k, &x); fd[nf++] = k; } continue; }
      int m = read(s, b, sizeof b), L; if (m <= 0) continue; uint8_t *p = b;
      while ((L = check(p, m))) {
        if (p[12] == 2) { tid[s] = p[9] | p[10] << 8; int M = make(o, 0x00, tid[s], 0, 0, 0x60 | (p[13] & 15), F1, 4); if (write(s, o, M) != M) return 3; in++; }
        else if (p[12] == 0x0C && tid[s] == (uint32_t)(p[9] | p[10] << 8)) {
          for (int k = 0; k < 3; k++) { uint8_t l = p[18 + 37 + 2 * k], h = p[18 + 38 + 2 * k]; sum += (h >> 4) * 1000 + (h & 15) * 100 + (l >> 4) * 10 + (l & 15); } got++; }
        p += L; m -= L; } }
    if (r < 0 && in == N) { login = now() - t0; loginc = cpu() - c0; r = 0; start = 1; }
    else if (r >= 0 && got == N) { w[r] = now() - rt; q[r] = cpu() - rc; r++; got = 0; start = r < R; }
    if (start) { rt = now(); rc = cpu(); for (int k = 0; k < N; k++) { int M = make(o, 0x4B, tid[fd[k]], 1, 0x0C, 0x60 | (r & 15), F25, 4); if (write(fd[k], o, M) != M) return 4; } } }
  struct rusage ru; getrusage(RUSAGE_SELF, &ru);
  qsort(w, R, 8, less); qsort(q, R, 8, less);
  for (int k = 0; k < N; k++) close(fd[k]);
  waitpid(pid, 0, 0);
  printf("{\"what\":\"c-epoll\",\"n\":%d,\"rounds\":%d,\"login_s\":%.3f,\"login_cpu_s\":%.3f,\"round_s\":%.4f,\"us_cpu_per_exchange\":%.2f,\"rss_mb\":%.1f,\"sum\":%lld}\n",
    N, R, login, loginc, w[R / 2], q[R / 2] / N * 1e6, ru.ru_maxrss / 1024.0, (long long)sum);
  return 0; }
