// What a newer libstdc++ asks of glibc, and what 2.28 lacks of it: tools/wheels.py links against that one.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

// Since 2.32. As if there were always threads.
char __libc_single_threaded = 0;

// Since 2.36.
uint32_t arc4random(void) {
  uint32_t value;
  while (getentropy(&value, sizeof value) != 0) {
  }
  return value;
}

// Since 2.30. Waits until the same moment of the clock that conditions go by from birth.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const struct timespec* until) {
  const int64_t second = 1000000000;
  struct timespec now, real;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &real);
  const int64_t left = (until->tv_sec - now.tv_sec) * second + (until->tv_nsec - now.tv_nsec);
  const int64_t end = real.tv_sec * second + real.tv_nsec + (left > 0 ? left : 0);
  const struct timespec then = {end / second, end % second};
  return pthread_cond_timedwait(condition, mutex, &then);
}
