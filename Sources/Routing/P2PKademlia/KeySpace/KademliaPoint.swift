import Crypto
public import P2PIdentity

/// A place in the key space of the table: 256 bits, the SHA-256 of what stands on the wire (kad-dht spec, "Distributed Hash Table").
///
/// Distance is the exclusive or of two places, as a number; see ``distance(to:)``.
public struct KademliaPoint: Hashable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// A place of its own words, the highest first: for simulations and targets that nobody has to hash.
    package init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        self.words = (first, second, third, fourth)
    }

    /// The place of a key, as it stands on the wire.
    public init(ofKey key: [UInt8]) {
        var digest = SHA256.hash(data: key).makeIterator()
        func word() -> UInt64 { (0..<8).reduce(0) { word, _ in word << 8 | UInt64(digest.next() ?? 0) } }
        self.init(word(), word(), word(), word())
    }

    /// The place of a peer: that of its id's bytes.
    public init(of peer: PeerID) { self.init(ofKey: peer.bytes) }

    /// The 32 bytes, the highest first.
    public var bytes: [UInt8] {
        [self.words.0, self.words.1, self.words.2, self.words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
    }

    /// How far it is to another place.
    public func distance(to other: KademliaPoint) -> KademliaDistance {
        KademliaDistance(
            (
                self.words.0 ^ other.words.0, self.words.1 ^ other.words.1, self.words.2 ^ other.words.2, self.words.3 ^ other.words.3
            ))
    }

    /// How many of the first bits are those of the other place, too: 0 to 256.
    public func commonPrefix(with other: KademliaPoint) -> Int { self.distance(to: other).leadingZeroBits }

    /// The place with one bit turned over, bit 0 being the highest.
    func flippingBit(_ bit: Int) -> KademliaPoint {
        let mask = UInt64(1) << UInt64(63 - bit % 64)
        switch bit / 64 {
        case 0: return KademliaPoint(self.words.0 ^ mask, self.words.1, self.words.2, self.words.3)
        case 1: return KademliaPoint(self.words.0, self.words.1 ^ mask, self.words.2, self.words.3)
        case 2: return KademliaPoint(self.words.0, self.words.1, self.words.2 ^ mask, self.words.3)
        default: return KademliaPoint(self.words.0, self.words.1, self.words.2, self.words.3 ^ mask)
        }
    }

    /// Whether the words are the same.
    public static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    /// Any word is as good as all: they are a hash.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.words.0) }
}

/// How far two places of the key space are from each other: a number of 256 bits.
public struct KademliaDistance: Hashable, Comparable, Sendable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    fileprivate init(_ words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// The nearer first.
    public static func < (left: Self, right: Self) -> Bool { left.words < right.words }

    /// Whether the numbers are the same.
    public static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    /// Any word is as good as all.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.words.3) }

    /// How many bits are zero before the first that is not.
    public var leadingZeroBits: Int {
        if self.words.0 != 0 { return self.words.0.leadingZeroBitCount }
        if self.words.1 != 0 { return 64 + self.words.1.leadingZeroBitCount }
        if self.words.2 != 0 { return 128 + self.words.2.leadingZeroBitCount }
        return 192 + self.words.3.leadingZeroBitCount
    }

    /// The part of the key space that is nearer than this, from 0 to 1.
    package var fraction: Double { Double(self.words.0) / 0x1p64 + Double(self.words.1) / 0x1p128 }
}
