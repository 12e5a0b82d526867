/* The least that a gateway can do: one UDP datagram for each line of a unix socket. usage: forward SOCKET PORT */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 64;
  struct sockaddr_un bus = {.sun_family = AF_UNIX};
  strncpy(bus.sun_path, argv[1], sizeof bus.sun_path - 1);
  int in = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(in, (struct sockaddr *)&bus, sizeof bus) != 0) return perror(argv[1]), 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int out = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(out, (struct sockaddr *)&to, sizeof to) != 0) return perror("udp"), 1;
  static char buffer[65536];
  size_t held = 0;
  for (;;) {
    ssize_t got = read(in, buffer + held, sizeof buffer - held);
    if (got <= 0) return 0;
    held += got;
    char *line = buffer, *end;
    while ((end = memchr(line, '\n', buffer + held - line)) != NULL) {
      if (send(out, line, end - line, 0) < 0) perror("send");
      line = end + 1;
    }
    held = buffer + held - line;
    memmove(buffer, line, held);
  }
}
