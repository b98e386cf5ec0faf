import NIOCore
import P2PCore

/// One direction of a link, as a value: what was sent before makes what is sent now wait.
struct LinkDirection {
    /// A packet that was lost so many times in a row gets through.
    private static let mostLosses = 10
    /// What a sender waits beyond a round trip before it sends a packet again (RFC 9002, section 6.2.1: the peer's delay).
    private static let retransmissionPause = Duration.milliseconds(25)

    private var generator: SeededGenerator
    /// When the last byte so far has left.
    private var busyUntil = NIODeadline.uptimeNanoseconds(0)

    init(seed: UInt64) {
        self.generator = SeededGenerator(seed: seed)
    }

    /// Sends bytes now; returns when all of them have arrived.
    mutating func send(_ count: Int, over link: Link, at now: NIODeadline) -> NIODeadline {
        var left = now
        if let bandwidth = link.bandwidth, bandwidth > 0, count > 0 {
            let (product, isTooMuch) = UInt64(count).multipliedReportingOverflow(by: 1_000_000_000)
            let nanoseconds = isTooMuch ? UInt64(Int64.max / 4) : product / UInt64(bandwidth)
            left = max(now, self.busyUntil) + .nanoseconds(Int64(min(nanoseconds, UInt64(Int64.max / 4))))
            self.busyUntil = left
        }
        return left.advanced(by: self.flight(of: count, over: link))
    }

    /// How long bytes are on their way once they have left, with everything that is sent again.
    mutating func flight(of count: Int, over link: Link) -> Duration {
        var flight = link.latency
        if link.jitter > .zero {
            let width = max(1, link.jitter / .nanoseconds(1))
            flight += .nanoseconds(Int64.random(in: 0...Int64(width), using: &self.generator))
        }
        guard link.loss > 0 else { return flight }
        var losses = 0
        for _ in 0..<max(1, (count + link.packetSize - 1) / max(1, link.packetSize)) {
            var inARow = 0
            while inARow < Self.mostLosses, Double.random(in: 0..<1, using: &self.generator) < link.loss { inARow += 1 }
            losses = max(losses, inARow)
        }
        return flight + (link.latency * 2 + Self.retransmissionPause) * ((1 << losses) - 1)
    }
}
