package import NIOCore
import P2PCore

/// Values that this node keeps for the network, and its own.
///
/// A value: time is an argument. Bounded by number and bytes; the one that ends soonest makes room, this node's own never.
package struct ValueStore: Sendable {
    private struct Entry: Sendable {
        var record: KademliaRecord
        var expiresAt: NIODeadline
        var isOwn: Bool
    }

    /// What an entry takes up besides key and value, in bytes.
    private static let entrySize = 192

    /// How long a value is kept after it came (kad-dht spec, "Content replication"; as in go, js and py).
    package static let lifetime = Duration.seconds(48 * 3_600)

    private var entries: [[UInt8]: Entry] = [:]
    /// Bytes of keys and values.
    package private(set) var bytes = 0
    private let limit: Int
    private let byteLimit: Int
    private var touched: TouchedKeys

    package init(limit: Int = KademliaLimits.values, byteLimit: Int = KademliaLimits.valueBytes) {
        self.limit = max(1, limit)
        self.byteLimit = max(1, byteLimit)
        self.touched = TouchedKeys(limit: 2 * max(1, limit))
    }

    package var count: Int { self.entries.count }

    /// The value under a key, unless its time is over.
    package func record(for key: [UInt8], at now: NIODeadline) -> KademliaRecord? {
        guard let entry = self.entries[key], entry.expiresAt > now else { return nil }
        return entry.record
    }

    /// The same with whose it is, and when its time is over.
    func entry(for key: [UInt8], at now: NIODeadline) -> (record: KademliaRecord, isOwn: Bool, end: NIODeadline)? {
        guard let entry = self.entries[key], entry.expiresAt > now else { return nil }
        return (entry.record, entry.isOwn, entry.expiresAt)
    }

    /// Keeps a value in the place of the one that there is.
    ///
    /// - Parameter isKept: it is written down as it is already.
    /// - Returns: false when there is no room, since everything is this node's own.
    @discardableResult
    package mutating func put(
        _ record: KademliaRecord, isOwn: Bool = false, for lifetime: Duration = Self.lifetime, at now: NIODeadline, isKept: Bool = false
    ) -> Bool {
        let size = Self.size(of: record)
        guard size <= self.byteLimit else { return false }
        let old = self.entries.removeValue(forKey: record.key)
        if let old { self.bytes -= Self.size(of: old.record) }
        if self.entries.count >= self.limit || self.bytes + size > self.byteLimit { self.expire(at: now) }
        while self.entries.count >= self.limit || self.bytes + size > self.byteLimit {
            guard let soonest = self.soonest else {
                if let old {
                    self.entries[record.key] = old
                    self.bytes += Self.size(of: old.record)
                }
                return false
            }
            self.remove(soonest)
        }
        self.entries[record.key] = Entry(record: record, expiresAt: now.advanced(by: lifetime), isOwn: isOwn || old?.isOwn == true)
        self.bytes += size
        if !isKept { self.touched.touch(record.key) }
        return true
    }

    /// This node's own values, which it puts again from time to time.
    package var own: [KademliaRecord] { self.entries.values.filter(\.isOwn).map(\.record) }

    /// Forgets what is over.
    package mutating func expire(at now: NIODeadline) {
        for (key, entry) in self.entries where entry.expiresAt <= now { self.remove(key) }
    }

    package mutating func remove(_ key: [UInt8]) {
        guard let entry = self.entries.removeValue(forKey: key) else { return }
        self.bytes -= Self.size(of: entry.record)
        self.touched.touch(key)
    }

    // MARK: Keeping

    /// From now on it notes under which keys something changes.
    mutating func keepTouches() { self.touched.begin() }

    /// What is written down under a key is not what is here.
    mutating func touch(_ key: [UInt8]) { self.touched.touch(key) }

    /// Some of the keys under which something has changed since they were last taken.
    mutating func takeTouched(upTo count: Int) -> [[UInt8]] { self.touched.take(upTo: count) }

    /// The one of others that ends first.
    private var soonest: [UInt8]? {
        self.entries.lazy.filter { !$0.value.isOwn }.min { $0.value.expiresAt < $1.value.expiresAt }?.key
    }

    private static func size(of record: KademliaRecord) -> Int { Self.entrySize + record.key.count + record.value.count }
}
