// Makes a call fail that would change a file: LD_PRELOAD loads this into a process of the test `failing_calls`.
//
// Counted are the calls on files whose paths begin with FAILING_PATH. The one with the number FAILING_FROM fails, and those
// after it, FAILING_COUNT in all. Each writes a byte to the file FAILING_TOLD, so that the test knows that they happened.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls; // the process of the test changes files on one thread only

static int path_fails(const char *path) {
    const char *ours = getenv("FAILING_PATH"), *from = getenv("FAILING_FROM"), *count = getenv("FAILING_COUNT");
    if (!ours || !from || !count || strncmp(path, ours, strlen(ours)) != 0) return 0;
    long number = calls++, first = atol(from);
    if (number < first || number >= first + atol(count)) return 0;
    int told = open(getenv("FAILING_TOLD"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (told >= 0) {
        syscall(SYS_write, told, ".", 1);
        close(told);
    }
    errno = EIO;
    return 1;
}

static int file_fails(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return path_fails(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t length) {
    return file_fails(file) ? -1 : NEXT(write)(file, bytes, length);
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) {
    return file_fails(file) ? -1 : NEXT(pwrite)(file, bytes, length, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
    return file_fails(file) ? -1 : NEXT(pwrite64)(file, bytes, length, at);
}
int fsync(int file) {
    return file_fails(file) ? -1 : NEXT(fsync)(file);
}
int fdatasync(int file) {
    return file_fails(file) ? -1 : NEXT(fdatasync)(file);
}
int ftruncate(int file, off_t length) {
    return file_fails(file) ? -1 : NEXT(ftruncate)(file, length);
}
int ftruncate64(int file, off64_t length) {
    return file_fails(file) ? -1 : NEXT(ftruncate64)(file, length);
}
int unlink(const char *path) {
    return path_fails(path) ? -1 : NEXT(unlink)(path);
}
