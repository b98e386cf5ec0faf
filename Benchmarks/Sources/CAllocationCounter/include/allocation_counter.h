#pragma once
#include <stdint.h>

/// Allocations of this process since it began: malloc, calloc, realloc and the aligned kinds. Zero where it can't count.
uint64_t allocation_count(void);

/// Gives memory that is free back to the system, so that what is resident is what is used.
void allocation_trim(void);

/// Bytes that are allocated and not freed; zero where it can't tell. What is resident is more, by what lies free between them.
uint64_t allocation_in_use(void);
