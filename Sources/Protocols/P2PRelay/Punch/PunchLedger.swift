package import NIOCore
import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// How often whom to punch for, as a value that is told the time.
package struct PunchLedger {
    /// Attempts for one peer within ``period``.
    package static let attempts = 3
    package static let period = TimeAmount.minutes(5)
    /// Punches that are under way at a time.
    package static let concurrent = 8
    /// Peers of whom something is remembered.
    package static let peerLimit = 1_024
    /// Plain dials for one peer within ``period``.
    package static let plainDials = 3
    /// Plain dials that are under way at a time.
    package static let concurrentPlainDials = 16
    /// Punches and plain dials at one IPv4 address or IPv6 /64 within ``period``, whoever told it: names cost nothing, so what bounds a peer
    /// does not protect a host that many peers call their own.
    package static let dialsPerTarget = 12
    /// Targets that are remembered; no others are dialled then.
    package static let targetLimit = 4_096

    private struct Record {
        var began: NIODeadline
        var attempts = 0
        var plainDials = 0
        var clashes = 0
        var isUnderWay = false
    }

    private struct Target {
        var began: NIODeadline
        var dials = 0
    }

    private var records: [PeerID: Record] = [:]
    private var targets: [AddressKey: Target] = [:]
    package private(set) var underWay = 0
    private var plainUnderWay = 0

    package init() {}

    /// Begins an attempt: its number from one on, or nil when there may be none.
    package mutating func begin(_ peer: PeerID, at now: NIODeadline) -> Int? {
        self.expire(at: now)
        guard self.underWay < Self.concurrent else { return nil }
        var record = self.records[peer] ?? Record(began: now)
        guard !record.isUnderWay, record.attempts < Self.attempts, self.records[peer] != nil || self.records.count < Self.peerLimit else {
            return nil
        }
        record.attempts += 1
        record.isUnderWay = true
        self.records[peer] = record
        self.underWay += 1
        return record.attempts
    }

    /// - Parameter counts: false for one that was none, since the peer does not speak of punching yet.
    package mutating func end(_ peer: PeerID, counts: Bool = true) {
        guard self.records[peer]?.isUnderWay == true else { return }
        self.records[peer]?.isUnderWay = false
        if !counts { self.records[peer]?.attempts -= 1 }
        self.underWay -= 1
    }

    /// How often the two had the same role in the handshakes; see ``PunchRole``.
    package func clashes(with peer: PeerID) -> Int { self.records[peer]?.clashes ?? 0 }

    /// The two have connected, and had the same role.
    package mutating func clashed(with peer: PeerID) { self.records[peer]?.clashes += 1 }

    /// Begins a plain dial; false when there may be none.
    package mutating func beginPlainDial(_ peer: PeerID, at now: NIODeadline) -> Bool {
        self.expire(at: now)
        var record = self.records[peer] ?? Record(began: now)
        guard self.plainUnderWay < Self.concurrentPlainDials, record.plainDials < Self.plainDials,
            self.records[peer] != nil || self.records.count < Self.peerLimit
        else { return false }
        record.plainDials += 1
        self.records[peer] = record
        self.plainUnderWay += 1
        return true
    }

    /// A plain dial that was begun is over.
    package mutating func endPlainDial() { self.plainUnderWay -= 1 }

    /// Those of the addresses that may be dialled now. Each of their hosts counts once.
    package mutating func allowed(_ addresses: [Multiaddr], at now: NIODeadline) -> [Multiaddr] {
        self.expire(at: now)
        var decided: [AddressKey: Bool] = [:]
        return addresses.filter { address in
            guard let key = AddressKey(address) else { return false }
            if let isAllowed = decided[key] { return isAllowed }
            var target = self.targets[key] ?? Target(began: now)
            let isAllowed =
                target.dials < Self.dialsPerTarget && (self.targets[key] != nil || self.targets.count < Self.targetLimit)
            if isAllowed {
                target.dials += 1
                self.targets[key] = target
            }
            decided[key] = isAllowed
            return isAllowed
        }
    }

    private mutating func expire(at now: NIODeadline) {
        self.targets = self.targets.filter { now - $0.value.began < Self.period }
        self.records = self.records.filter { $0.value.isUnderWay || now - $0.value.began < Self.period }
    }
}
