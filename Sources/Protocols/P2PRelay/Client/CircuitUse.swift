import NIOCore
import P2PCore
import P2PIdentity

/// What one circuit has carried of what its relay lends.
struct CircuitUse: Sendable {
    let relay: PeerID
    let limit: CircuitLimit?
    private let began: NIODeadline
    private(set) var sent: UInt64 = 0
    private(set) var received: UInt64 = 0

    /// What a relay's clock may differ by.
    private static let tolerance = TimeAmount.seconds(1)

    init(_ limit: CircuitLimit?, of relay: PeerID, at now: NIODeadline) {
        self.relay = relay
        self.limit = limit
        self.began = now
    }

    mutating func send(_ count: Int) { self.sent &+= UInt64(count) }
    mutating func receive(_ count: Int) { self.received &+= UInt64(count) }

    /// Why the circuit is over, when it is over because one of the limits was reached; nil when that is not so.
    ///
    /// Some relays count both directions together.
    func exhaustion(at now: NIODeadline) -> String? {
        guard let limit else { return nil }
        let lived = now - self.began
        let use = "\(self.sent) bytes sent and \(self.received) received in \(lived.nanoseconds / 1_000_000_000) s"
        if let data = limit.data, self.sent &+ self.received >= data {
            return "limited: \(CircuitLimit.text(ofBytes: data)) of relay \(self.relay) were used (\(use))"
        }
        if let duration = limit.duration, lived + Self.tolerance >= TimeAmount(duration) {
            return "limited: \(duration.components.seconds) s of relay \(self.relay) were used (\(use))"
        }
        return nil
    }
}
