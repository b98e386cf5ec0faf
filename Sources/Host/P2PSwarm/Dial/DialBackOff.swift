package import NIOCore
package import P2PMultiaddr

/// Which addresses have failed lately and are left alone for a while, as a value.
package struct DialBackOff {
    private struct Entry {
        var failures: Int
        var until: NIODeadline
    }

    /// Addresses that are remembered; the one whose time ends first makes room.
    package static let limit = 1_024
    /// After the first failure.
    package static let base = TimeAmount.seconds(5)
    /// Times the square of the failures before this one, on top.
    package static let step = TimeAmount.seconds(1)
    /// The longest time that an address is left alone.
    package static let longest = TimeAmount.minutes(5)

    private var entries: [Multiaddr: Entry] = [:]

    package init() {}

    package var count: Int { self.entries.count }

    /// When the address may be dialled again, if that is later than now.
    package func until(_ address: Multiaddr, at now: NIODeadline) -> NIODeadline? {
        guard let entry = self.entries[address], entry.until > now else { return nil }
        return entry.until
    }

    package mutating func failed(_ address: Multiaddr, at now: NIODeadline) {
        let failures = min(self.entries[address]?.failures ?? 0, 100)
        let pause = min(Self.base + Self.step * (failures * failures), Self.longest)
        if self.entries[address] == nil, self.entries.count >= Self.limit { self.makeRoom(at: now) }
        self.entries[address] = Entry(failures: failures + 1, until: now + pause)
    }

    package mutating func succeeded(_ address: Multiaddr) {
        self.entries[address] = nil
    }

    private mutating func makeRoom(at now: NIODeadline) {
        self.entries = self.entries.filter { $0.value.until > now }
        guard self.entries.count >= Self.limit else { return }
        if let first = self.entries.min(by: { $0.value.until < $1.value.until }) { self.entries[first.key] = nil }
    }
}
