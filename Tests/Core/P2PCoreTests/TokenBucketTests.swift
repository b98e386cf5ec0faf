import NIOCore
import P2PCore
import Testing

@Suite("A bucket of tokens")
struct TokenBucketTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("So many at once, then one in each interval; a refusal costs nothing, and a rest fills it no further than to the brim")
    func paced() {
        var bucket = TokenBucket(capacity: 3, interval: .seconds(5), at: self.start)
        func taken(_ tries: Int, at now: NIODeadline) -> Int { (0..<tries).count { _ in bucket.take(at: now) } }
        #expect(taken(10, at: self.start) == 3)
        #expect(taken(10, at: self.start + .seconds(4)) == 0)
        #expect(taken(10, at: self.start + .seconds(5)) == 1)
        #expect(taken(10, at: self.start + .seconds(16)) == 2)
        #expect(taken(10, at: self.start + .hours(1)) == 3)
    }
}
