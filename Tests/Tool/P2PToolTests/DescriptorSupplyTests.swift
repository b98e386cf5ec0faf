import Synchronization
import Testing

@testable import P2PTool

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("The supply of file descriptors", .timeLimit(.minutes(1)))
struct DescriptorSupplyTests {
    #if canImport(Glibc)
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let resource = RLIMIT_NOFILE
    #endif

    /// Runs `body` while this process may have so few that all of them are soon counted.
    private func limited(_ body: () async throws -> Void) async throws {
        var before = rlimit()
        try #require(getrlimit(Self.resource, &before) == 0)
        var few = before
        few.rlim_cur = min(before.rlim_cur, 512)
        try #require(setrlimit(Self.resource, &few) == 0)
        defer { _ = setrlimit(Self.resource, &before) }
        try await body()
    }

    @Test("What is open is not free, and counting ends where enough is found")
    func counting() async throws {
        try await self.limited {
            let all = DescriptorSupply.measure(upTo: 10_000)
            #expect(all.limit <= 512)
            #expect((8..<512).contains(all.free))
            #expect(DescriptorSupply.measure(upTo: 8).free == 8)
            let opened = (0..<5).map { _ in dup(STDERR_FILENO) }
            #expect(DescriptorSupply.measure(upTo: 10_000).free == all.free - 5)
            for descriptor in opened { close(descriptor) }
        }
    }

    private final class Course: Sendable {
        let isCounted = Atomic(false)
        let refused = Atomic(0)
    }

    @Test("Whoever opens one while they are counted gets it")
    func others() async throws {
        try await self.limited {
            let course = Course()
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !course.isCounted.load(ordering: .acquiring) {
                        let descriptor = dup(STDERR_FILENO)
                        if descriptor < 0 { course.refused.wrappingAdd(1, ordering: .relaxed) } else { close(descriptor) }
                    }
                }
                group.addTask {
                    for _ in 0..<2_000 { _ = DescriptorSupply.measure(upTo: 10_000) }
                    course.isCounted.store(true, ordering: .releasing)
                }
            }
            #expect(course.refused.load(ordering: .relaxed) == 0)
        }
    }
}
