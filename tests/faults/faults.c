/* Preloaded into a build: reading a certain file fails with EIO, and writes fail while a certain file exists.
 *
 * FAULTS_EIO: a part of the path whose reads fail. FAULTS_FULL: a file; while it exists, fsync and rename fail with ENOSPC.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_bad(int fd)
{
    const char *part = getenv("FAULTS_EIO");
    char link[64], path[4096];
    ssize_t size;
    if (!part)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return strstr(path, part) != NULL;
}

static int is_full(void)
{
    const char *mark = getenv("FAULTS_FULL");
    return mark && access(mark, F_OK) == 0;
}

ssize_t read(int fd, void *buffer, size_t size)
{
    static ssize_t (*real)(int, void *, size_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "read");
    if (is_bad(fd)) {
        errno = EIO;
        return -1;
    }
    return real(fd, buffer, size);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "fsync");
    if (is_full()) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd);
}

int rename(const char *old, const char *new)
{
    static int (*real)(const char *, const char *);
    if (!real)
        real = dlsym(RTLD_NEXT, "rename");
    if (is_full()) {
        errno = ENOSPC;
        return -1;
    }
    return real(old, new);
}
