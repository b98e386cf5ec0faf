import Synchronization

/// The keys that a node provides: they are told to the network again from time to time, region by region, so they come in the order of the key space.
///
/// A set. ``MemoryKeystore`` is the default; one that lasts comes from `P2PKademliaSQLite`. It is the application's own and has no limit: a peer can't make it grow.
public protocol ProviderKeystore: Sendable {
    /// Adds keys; those that are there stay.
    func add(_ keys: [[UInt8]]) async throws(KademliaError)
    /// Takes a key out.
    func remove(_ key: [UInt8]) async throws(KademliaError)
    /// Whether the key is there; also asked when others ask for its providers.
    func contains(_ key: [UInt8]) async -> Bool
    /// How many there are.
    func count() async -> Int
    /// The keys that follow on this one, in the order of their SHA-256, `limit` at most.
    ///
    /// - Parameter key: nil for the first ones; it need not be in the set any more.
    func keys(after key: [UInt8]?, upTo limit: Int) async throws(KademliaError) -> [[UInt8]]
}

/// The keys in memory: some 150 bytes each.
public final class MemoryKeystore: ProviderKeystore {
    private struct State {
        var keys: [[UInt8]: KademliaPoint] = [:]
        /// In order; nil after a change.
        var sorted: [(key: [UInt8], place: KademliaDistance)]?
    }

    private static let zero = KademliaPoint(0, 0, 0, 0)
    private let state = Mutex(State())

    /// An empty one.
    public init() {}

    /// Adds keys; those that are there stay.
    public func add(_ keys: [[UInt8]]) {
        self.state.withLock { state in
            for key in keys where state.keys[key] == nil {
                state.keys[key] = KademliaPoint(ofKey: key)
                state.sorted = nil
            }
        }
    }

    /// Takes a key out.
    public func remove(_ key: [UInt8]) {
        self.state.withLock { state in
            if state.keys.removeValue(forKey: key) != nil { state.sorted = nil }
        }
    }

    /// Whether the key is there.
    public func contains(_ key: [UInt8]) -> Bool { self.state.withLock { $0.keys[key] != nil } }

    /// How many there are.
    public func count() -> Int { self.state.withLock { $0.keys.count } }

    /// The keys that follow on this one, in the order of their SHA-256.
    public func keys(after key: [UInt8]?, upTo limit: Int) -> [[UInt8]] {
        let after = key.map { KademliaPoint(ofKey: $0).distance(to: Self.zero) }
        return self.state.withLock { state in
            let sorted =
                state.sorted
                ?? state.keys.map { (key: $0.key, place: $0.value.distance(to: Self.zero)) }.sorted { $0.place < $1.place }
            state.sorted = sorted
            var (low, high) = (0, sorted.count)
            while let after, low < high {
                let middle = (low + high) / 2
                if sorted[middle].place <= after { low = middle + 1 } else { high = middle }
            }
            return sorted[low...].prefix(max(0, limit)).map(\.key)
        }
    }
}
