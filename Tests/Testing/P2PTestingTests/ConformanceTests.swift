import Testing

/// One case at a time: each has the machine for itself, so that their patience is about them.
@Suite("Every implementation keeps its contract", .serialized)
enum ConformanceTests {}
