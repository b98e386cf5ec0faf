#include "internal.h"

#if __has_include(<ngtcp2/ngtcp2.h>)

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __APPLE__
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif

// The library asks for most of a connection's memory in blocks of 4 to 12 KiB for many objects each, of which a quiet connection uses
// a few. Here each block begins in a cell of its own in a room of address space that belongs to the connection: pages that are never
// touched never exist. When the connection rests, what is not zero in the others is copied together and the pages go back to the
// system; addresses stay as they are, so nothing in them needs to know. A page of the system is one cell, or several (four on Apple's
// processors); these stay or go together.

#define CELL ((size_t)4096)
/// One bit of a word each.
#define CELLS 64
#define ROOM (CELLS * CELL)
/// Rooms that are asked of the system at once: address space, not memory.
#define ROOMS 64
/// Rooms that keep their pages when a connection ends, for the next: to get pages from the system is a tenth of a handshake's time.
/// Those with more than a handshake needs give them back.
#define WARM 16
#define WARM_CELLS 40
/// Smaller things share pages in the ordinary way.
#define SMALLEST (CELL / 2)
#define LINE ((size_t)64)
/// Pages of which more lines a cell than this are in use stay: they would come back at once, and little would be won.
#define MOST 32

struct quic_memory {
    ngtcp2_mem functions;
    /// Address space for large blocks; NULL when all of them are malloc's.
    uint8_t *room;
    /// The cells of the room that are taken, and those that may hold something else than zeros; a bit each.
    uint64_t taken, dirty;
    /// How many cells the block has that begins at this one.
    uint8_t counts[CELLS];
    /// How many cells a page of the system has.
    size_t page;
    /// What the cells that are away hold, and which are not; NULL while all of them are here.
    uint8_t *packed;
    uint64_t staying;
    /// Bytes of the blocks that malloc gave.
    size_t outside;
};

static size_t size_of(void *block) {
    if (block == NULL) return 0;
#ifdef __APPLE__
    return malloc_size(block);
#else
    return malloc_usable_size(block);
#endif
}

static void *counted(quic_memory *memory, void *block) {
    memory->outside += size_of(block);
    return block;
}

// MARK: Rooms

static uint64_t mask_of(size_t first, size_t count) {
    return (count == CELLS ? UINT64_MAX : ((UINT64_C(1) << count) - 1)) << first;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/// Rooms that nobody lives in, all zeros.
static uint8_t **vacant;
static size_t vacant_count, vacant_capacity;
/// Rooms that nobody lives in and that have kept their pages, and which of these may hold something else than zeros.
static struct {
    uint8_t *room;
    uint64_t dirty;
} warm[WARM];
static size_t warm_count;

/// Makes place in the list of vacant rooms for so many more than there are rooms: to return one never fails.
static bool reserve_places(size_t count) {
    static size_t rooms;
    if (rooms + count > vacant_capacity) {
        uint8_t **larger = realloc(vacant, (rooms + count) * 2 * sizeof *larger);
        if (larger == NULL) return false;
        vacant = larger;
        vacant_capacity = (rooms + count) * 2;
    }
    rooms += count;
    return true;
}

static void build_rooms(void) {
    int flags = MAP_PRIVATE | MAP_ANON;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    uint8_t *rooms = mmap(NULL, ROOMS * ROOM, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (rooms == MAP_FAILED) return;
    if (!reserve_places(ROOMS)) {
        munmap(rooms, ROOMS * ROOM);
        return;
    }
#ifdef MADV_NOHUGEPAGE
    (void)madvise(rooms, ROOMS * ROOM, MADV_NOHUGEPAGE);
#endif
    for (size_t i = ROOMS; i > 0; i--) vacant[vacant_count++] = rooms + (i - 1) * ROOM;
}

/// All cells of the pages that any of these is in, for pages of so many cells.
static uint64_t pages_around(uint64_t cells, size_t page) {
    uint64_t all = 0;
    for (size_t first = 0; first < CELLS; first += page) {
        uint64_t mask = mask_of(first, page);
        if ((cells & mask) != 0) all |= mask;
    }
    return all;
}

/// Gives the cells of whole pages of a room back to the system; they are zeros afterwards. False when some may be as they were.
static bool clear_pages(uint8_t *room, uint64_t cells) {
    bool is_done = true;
    while (cells != 0) {
        size_t first = (size_t)__builtin_ctzll(cells);
        uint64_t after = ~(cells >> first);
        size_t count = after == 0 ? CELLS : (size_t)__builtin_ctzll(after);
        if (count > CELLS - first) count = CELLS - first;
#ifdef __linux__
        is_done &= madvise(room + first * CELL, count * CELL, MADV_DONTNEED) == 0;
#else
        int flags = MAP_PRIVATE | MAP_ANON | MAP_FIXED;
        is_done &= mmap(room + first * CELL, count * CELL, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
#endif
        cells &= ~mask_of(first, count);
    }
    return is_done;
}

static void fill_with_zeros(uint8_t *room, uint64_t cells) {
    for (; cells != 0; cells &= cells - 1) memset(room + (size_t)__builtin_ctzll(cells) * CELL, 0, CELL);
}

/// The cells of a page of so many bytes; 0 for a size that no room can be divided by.
static size_t cells_of(size_t page) {
    bool fits = page >= CELL && page <= ROOM && (page & (page - 1)) == 0;
    return fits ? page / CELL : 0;
}

/// NULL where the system has no address space left.
static uint8_t *take_room(uint64_t *dirty) {
    *dirty = 0;
    uint8_t *room = NULL;
    pthread_mutex_lock(&lock);
    if (warm_count > 0) {
        warm_count--;
        room = warm[warm_count].room;
        *dirty = warm[warm_count].dirty;
    } else {
        if (vacant_count == 0) build_rooms();
        if (vacant_count > 0) room = vacant[--vacant_count];
    }
    pthread_mutex_unlock(&lock);
    return room;
}

static void return_room(uint8_t *room, uint64_t dirty, size_t page) {
    pthread_mutex_lock(&lock);
    bool is_kept = dirty != 0 && warm_count < WARM && __builtin_popcountll(dirty) <= WARM_CELLS;
    if (is_kept) {
        warm[warm_count].room = room;
        warm[warm_count].dirty = dirty;
        warm_count++;
    }
    pthread_mutex_unlock(&lock);
    if (is_kept) return;
    // An application may have locked its memory.
    if (!clear_pages(room, pages_around(dirty, page))) fill_with_zeros(room, dirty);
    pthread_mutex_lock(&lock);
    vacant[vacant_count++] = room;
    pthread_mutex_unlock(&lock);
}

// MARK: Blocks

/// The first of so many free cells in a row; CELLS when there are none.
static size_t find_cells(const quic_memory *memory, size_t count) {
    for (size_t first = 0; first + count <= CELLS; first++) {
        uint64_t clash = memory->taken & mask_of(first, count);
        if (clash == 0) return first;
        first = (size_t)(63 - __builtin_clzll(clash));
    }
    return CELLS;
}

/// All zeros, for what somebody else has left there would be packed with the rest. NULL when the room has no place for it.
static uint8_t *take_block(quic_memory *memory, size_t size) {
    if (memory->room == NULL || size < SMALLEST || size > ROOM) return NULL;
    size_t count = (size + CELL - 1) / CELL;
    size_t first = find_cells(memory, count);
    if (first == CELLS) return NULL;
    uint64_t mask = mask_of(first, count);
    uint8_t *block = memory->room + first * CELL;
    fill_with_zeros(memory->room, memory->dirty & mask);
    memory->taken |= mask;
    memory->dirty |= mask;
    memory->counts[first] = (uint8_t)count;
    return block;
}

/// The number of a block's first cell; CELLS for what is not in the room.
static size_t cell_of(const quic_memory *memory, const void *block) {
    uintptr_t offset = (uintptr_t)block - (uintptr_t)memory->room;
    return memory->room != NULL && (uintptr_t)block >= (uintptr_t)memory->room && offset < ROOM ? offset / CELL : CELLS;
}

// MARK: What the library calls

void *quic_memory_allocate(size_t size, void *user) {
    void *block = take_block(user, size);
    return block != NULL ? block : counted(user, malloc(size));
}

void *quic_memory_allocate_zeros(size_t count, size_t size, void *user) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    void *block = take_block(user, total);
    return block != NULL ? block : counted(user, calloc(count, size));
}

void quic_memory_release(void *block, void *user) {
    quic_memory *memory = user;
    size_t cell = cell_of(memory, block);
    if (cell == CELLS) {
        memory->outside -= size_of(block);
        free(block);
    } else {
        memory->taken &= ~mask_of(cell, memory->counts[cell]);
    }
}

void *quic_memory_reallocate(void *block, size_t size, void *user) {
    quic_memory *memory = user;
    size_t cell = cell_of(memory, block);
    if (cell == CELLS) {
        size_t before = size_of(block);
        void *larger = realloc(block, size);
        if (larger != NULL || size == 0) memory->outside += size_of(larger) - before;
        return larger;
    }
    size_t old = memory->counts[cell] * CELL;
    void *larger = quic_memory_allocate(size, user);
    if (larger == NULL) return NULL;
    memcpy(larger, block, old < size ? old : size);
    quic_memory_release(block, user);
    return larger;
}

// MARK: Pages

#ifdef __linux__

static pthread_once_t page_table_once = PTHREAD_ONCE_INIT;
/// The system's table of this process's pages (Linux, admin-guide/mm/pagemap.rst).
static int page_table = -1;
static size_t system_page;
/// Not zero in the process that opened the table, and where the table is to be believed; a child would be told of its parent's pages.
static volatile uint8_t *mark;

/// Which of these pages exist, in memory or swapped out, a bit each. False where the system does not say.
static bool find_pages(const volatile uint8_t *first, size_t count, uint64_t *pages) {
    if (mark == NULL || *mark == 0 || count > CELLS) return false;
    uint64_t entries[CELLS];
    size_t size = count * sizeof *entries;
    if (pread(page_table, entries, size, (off_t)((uintptr_t)first / system_page * sizeof *entries)) != (ssize_t)size) return false;
    *pages = 0;
    // Present, swapped out, or of a file: the three highest bits.
    for (size_t i = 0; i < count; i++) *pages |= (uint64_t)(entries[i] >> 61 != 0) << i;
    return true;
}

/// Opens the table, and asks it what is known: an emulator may have handed out its own.
static void open_page_table(void) {
#ifdef MADV_WIPEONFORK
    system_page = (size_t)sysconf(_SC_PAGESIZE);
    page_table = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (page_table < 0) return;
    uint8_t *probe = mmap(NULL, 4 * system_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (probe != MAP_FAILED) {
        uint64_t found = 0;
        mark = probe + system_page;
        *mark = 1;
        bool is_kept_apart = madvise(probe, 4 * system_page, MADV_WIPEONFORK) == 0;
        if (is_kept_apart && find_pages(probe, 4, &found) && found == 1 << 1) return;
        mark = NULL;
        munmap(probe, 4 * system_page);
    }
    close(page_table);
    page_table = -1;
#endif
}

#endif

bool quic_memory_sees_pages(void) {
#ifdef __linux__
    (void)pthread_once(&page_table_once, open_page_table);
    return mark != NULL;
#else
    return false;
#endif
}

// MARK: Life

quic_memory *quic_memory_new(size_t page) {
    quic_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return NULL;
    memory->page = cells_of(page == 0 ? (size_t)sysconf(_SC_PAGESIZE) : page);
    memory->functions = (ngtcp2_mem){
        memory, quic_memory_allocate, quic_memory_release, quic_memory_allocate_zeros, quic_memory_reallocate};
    if (memory->page > 0) memory->room = take_room(&memory->dirty);
    // Here, so that to rest opens nothing.
    (void)quic_memory_sees_pages();
    return memory;
}

void quic_memory_free(quic_memory *memory) {
    if (memory == NULL) return;
    if (memory->room != NULL) return_room(memory->room, memory->dirty, memory->page);
    free(memory->packed);
    free(memory);
}

size_t quic_memory_held(const quic_memory *memory) {
    return memory->outside + (size_t)__builtin_popcountll(memory->taken) * CELL;
}

const ngtcp2_mem *quic_memory_functions(const quic_memory *memory) { return &memory->functions; }

// MARK: Rest

/// Which lines of a cell are not all zeros, a bit each.
static uint64_t lines_of(const uint8_t *cell) {
    uint64_t lines = 0;
    for (size_t i = 0; i < CELL / LINE; i++) {
        uint64_t words[LINE / sizeof(uint64_t)], sum = 0;
        memcpy(words, cell + i * LINE, LINE);
        for (size_t j = 0; j < LINE / sizeof(uint64_t); j++) sum |= words[j];
        if (sum != 0) lines |= UINT64_C(1) << i;
    }
    return lines;
}

/// The taken cells that have a page; the others are zeros, and to look at one would make a page for it.
static uint64_t cells_with_pages(const quic_memory *memory) {
#ifdef __linux__
    uint64_t pages = 0, cells = 0;
    size_t count = (size_t)(CELLS - __builtin_clzll(memory->taken) + (int)memory->page - 1) / memory->page;
    if (memory->page * CELL == system_page && find_pages(memory->room, count, &pages)) {
        for (; pages != 0; pages &= pages - 1) cells |= mask_of((size_t)__builtin_ctzll(pages) * memory->page, memory->page);
        // Something is always written before a connection rests: who does not know of it knows nothing.
        if ((cells & memory->taken) != 0) return cells & memory->taken;
    }
#endif
#ifdef MADV_POPULATE_READ
    // One by one they cost a fault each.
    (void)madvise(memory->room, (size_t)(CELLS - __builtin_clzll(memory->taken)) * CELL, MADV_POPULATE_READ);
#endif
    return memory->taken;
}

size_t quic_memory_pack(quic_memory *memory) {
    if (memory->packed != NULL || memory->taken == 0) return 0;
    uint64_t lines[CELLS], staying = 0, written = cells_with_pages(memory);
    size_t size = 0;
    for (size_t first = 0; first < CELLS; first += memory->page) {
        uint64_t page = mask_of(first, memory->page);
        size_t used = 0;
        for (uint64_t left = memory->taken & page; left != 0; left &= left - 1) {
            size_t cell = (size_t)__builtin_ctzll(left);
            lines[cell] = (written >> cell & 1) != 0 ? lines_of(memory->room + cell * CELL) : 0;
            used += (size_t)__builtin_popcountll(lines[cell]);
        }
        if (used > MOST * memory->page) {
            staying |= page;
        } else {
            size += (size_t)__builtin_popcountll(memory->taken & page) * sizeof *lines + used * LINE;
        }
    }
    uint8_t *packed = size > 0 ? malloc(size) : NULL;
    if (packed == NULL) return 0;
    uint8_t *next = packed;
    for (uint64_t left = memory->taken & ~staying; left != 0; left &= left - 1) {
        size_t cell = (size_t)__builtin_ctzll(left);
        memcpy(next, &lines[cell], sizeof *lines);
        next += sizeof *lines;
        for (uint64_t used = lines[cell]; used != 0; used &= used - 1, next += LINE) {
            memcpy(next, memory->room + cell * CELL + (size_t)__builtin_ctzll(used) * LINE, LINE);
        }
    }
    memory->packed = packed;
    memory->staying = staying;
    if (!clear_pages(memory->room, ~staying)) {
        quic_memory_unpack(memory);
        return 0;
    }
    memory->dirty = staying;
    return size;
}

void quic_memory_unpack(quic_memory *memory) {
    const uint8_t *next = memory->packed;
    for (uint64_t left = memory->taken & ~memory->staying; left != 0; left &= left - 1) {
        uint8_t *cell = memory->room + (size_t)__builtin_ctzll(left) * CELL;
        uint64_t lines;
        memcpy(&lines, next, sizeof lines);
        next += sizeof lines;
        for (; lines != 0; lines &= lines - 1, next += LINE) memcpy(cell + (size_t)__builtin_ctzll(lines) * LINE, next, LINE);
    }
    memory->dirty |= memory->taken;
    free(memory->packed);
    memory->packed = NULL;
}

#endif
