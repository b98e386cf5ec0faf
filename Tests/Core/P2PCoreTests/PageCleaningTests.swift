import NIOCore
import P2PCore
import Testing

@Suite("When free pages go back to the system")
struct PageCleaningTests {
    private static let mebibyte = 1 << 20
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("Once many have gathered beyond what counts, since it was least or they went; not again at once")
    func gathered() {
        var cleaning = PageCleaning(limit: 256 * Self.mebibyte)
        func isDue(_ resident: Int, _ use: Int, after time: TimeAmount = .zero) -> Bool {
            cleaning.isDue(resident: resident * Self.mebibyte, use: use * Self.mebibyte, at: self.start + time)
        }
        #expect(!isDue(160, 100))
        // Both grow: nothing is free.
        #expect(!isDue(260, 200))
        #expect(!isDue(257, 190))
        #expect(isDue(258, 190))
        // It was less in between.
        #expect(!isDue(240, 190))
        #expect(isDue(248, 190))
        cleaning.cleaned(resident: 230 * Self.mebibyte, use: 190 * Self.mebibyte, at: self.start)
        #expect(!isDue(300, 190, after: .milliseconds(99)))
        #expect(isDue(300, 190, after: PageCleaning.pause))
        #expect(!isDue(237, 190, after: .seconds(1)))
    }

    @Test("What stays although it was done is no reason to do it again")
    func stays() {
        var cleaning = PageCleaning(limit: Self.mebibyte)
        let (use, large) = (10 * Self.mebibyte, 90 * Self.mebibyte)
        func isDue(_ resident: Int, after time: TimeAmount = .zero) -> Bool {
            cleaning.isDue(resident: resident, use: use, at: self.start + time)
        }
        #expect(!isDue(use))
        #expect(isDue(large))
        cleaning.cleaned(resident: large, use: use, at: self.start)
        #expect(!isDue(large, after: .hours(1)))
        #expect(isDue(large + 4 * Self.mebibyte, after: .hours(1)))
    }

    @Test("This process is somewhere")
    func resident() {
        #expect(ResidentMemory.bytes > Self.mebibyte)
    }
}
