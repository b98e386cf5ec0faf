package import P2PIdentity

/// The values that peers have given for a key, and who has which.
///
/// A value. What it is told is valid already; it keeps the best, and who has to be corrected.
package struct ValueSearch: Sendable {
    private let key: [UInt8]
    private let validator: any RecordValidator
    /// The best so far.
    package private(set) var best: [UInt8]?
    /// Peers that have given a valid value, each counted once, however often it was asked.
    package var count: Int { self.givers.count }
    private var givers: Set<PeerID> = []
    private var holders: Set<PeerID> = []

    package init(_ key: [UInt8], _ validator: any RecordValidator, local: [UInt8]? = nil) {
        self.key = key
        self.validator = validator
        self.best = local
    }

    /// Takes a valid value in.
    ///
    /// - Returns: whether it is better than those before.
    package mutating func add(_ value: [UInt8], from peer: PeerID) -> Bool {
        self.givers.insert(peer)
        guard let best = self.best else {
            self.best = value
            self.holders = [peer]
            return true
        }
        if value == best {
            self.holders.insert(peer)
            return false
        }
        guard self.validator.prefers(value, to: best, for: self.key) else { return false }
        self.best = value
        self.holders = [peer]
        return true
    }

    /// Whether a peer has the best.
    package func hasBest(_ peer: PeerID) -> Bool { self.holders.contains(peer) }
}
