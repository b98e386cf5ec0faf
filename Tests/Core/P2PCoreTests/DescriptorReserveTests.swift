import P2PCore
import Testing

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Descriptors that connections may not take")
struct DescriptorReserveTests {
    @Test(
        "An eighth is kept from arrivals, 64 at most, and half of that from dials",
        arguments: [(20, 2, 1), (64, 8, 4), (256, 32, 16), (1_024, 64, 32), (1_048_576, 64, 32), (Int.max, 64, 32), (0, 0, 0)])
    func kept(limit: Int, arrivals: Int, dials: Int) {
        let reserve = DescriptorReserve(limit: limit)
        #expect(reserve.kept(from: .arrival) == arrivals)
        #expect(reserve.kept(from: .dial) == dials)
    }

    @Test("Numbers count from nought, so the last that may be taken is one below the reserve")
    func edges() {
        let reserve = DescriptorReserve(limit: 64)
        #expect(!reserve.isTouched(by: 55, for: .arrival))
        #expect(reserve.isTouched(by: 56, for: .arrival))
        #expect(!reserve.isTouched(by: 59, for: .dial))
        #expect(reserve.isTouched(by: 60, for: .dial))
        #expect(!DescriptorReserve(limit: .max).isTouched(by: .max, for: .arrival))
    }

    @Test("The next number is looked at without taking it")
    func next() throws {
        let open = dup(STDERR_FILENO)
        try #require(open >= 0)
        defer { close(open) }
        // Others of this process open and close meanwhile; none of them opens a thousand.
        #expect(!DescriptorReserve(limit: Int(open) + 10_000).isTouchedByNext(after: open, for: .dial))
        #expect(DescriptorReserve(limit: 2).isTouchedByNext(after: open, for: .arrival))
        #expect(DescriptorReserve(limit: 1_000_000).isTouchedByNext(after: -1, for: .arrival))
    }

    @Test("This process has a limit, and keeps some of it")
    func current() {
        let reserve = DescriptorReserve.current()
        #expect(reserve.limit > 0)
        #expect(reserve.kept(from: .arrival) > reserve.kept(from: .dial))
    }
}
