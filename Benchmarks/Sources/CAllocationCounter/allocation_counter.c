#include "allocation_counter.h"

#if defined(__linux__) && defined(__GLIBC__)
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An executable's own malloc takes the place of the library's for everything that the process loads.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Atomic uint64_t count;

static void counted(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }

void *malloc(size_t size) { counted(); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { counted(); return __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { counted(); return __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { counted(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { counted(); return __libc_memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
    counted();
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *result = memory;
    return 0;
}

uint64_t allocation_count(void) { return atomic_load_explicit(&count, memory_order_relaxed); }
void allocation_trim(void) { malloc_trim(0); }

/// The last number of the attribute `size` behind the last place where `what` stands.
static uint64_t size_of_last(const char *text, const char *what) {
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, what)); at++) found = at;
    const char *size = found ? strstr(found, "size=\"") : NULL;
    return size ? strtoull(size + 6, NULL, 10) : 0;
}

uint64_t allocation_in_use(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (!stream) return 0;
    malloc_info(0, stream);
    fclose(stream);
    uint64_t held = size_of_last(text, "<system type=\"current\"") + size_of_last(text, "<total type=\"mmap\"");
    uint64_t unused = size_of_last(text, "<total type=\"fast\"") + size_of_last(text, "<total type=\"rest\"");
    free(text);
    return held - unused;
}
#else
uint64_t allocation_count(void) { return 0; }
void allocation_trim(void) {}
uint64_t allocation_in_use(void) { return 0; }
#endif
