/// Up to 47 bytes without an allocation: six big-endian words, the last byte of which is the length.
///
/// Big-endian words compare as the bytes do.
struct PeerIDStorage: Hashable, Sendable, Comparable {
    private let word0: UInt64
    private let word1: UInt64
    private let word2: UInt64
    private let word3: UInt64
    private let word4: UInt64
    private let word5: UInt64

    /// - Precondition: at most 47 bytes.
    init(_ bytes: [UInt8]) {
        precondition(bytes.count <= 47, "\(bytes.count) bytes don't fit")
        func word(_ index: Int) -> UInt64 {
            var word: UInt64 = 0
            for position in (index * 8)..<(index * 8 + 8) {
                word = word << 8 | (position < bytes.count ? UInt64(bytes[position]) : 0)
            }
            return word
        }
        self.word0 = word(0)
        self.word1 = word(1)
        self.word2 = word(2)
        self.word3 = word(3)
        self.word4 = word(4)
        self.word5 = word(5) | UInt64(bytes.count)
    }

    var bytes: [UInt8] {
        let count = Int(self.word5 & 0xff)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(48)
        func append(_ word: UInt64) {
            for index in 1...8 {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(64 - 8 * index)))
            }
        }
        append(self.word0)
        append(self.word1)
        append(self.word2)
        append(self.word3)
        append(self.word4)
        append(self.word5)
        bytes.removeLast(48 - count)
        return bytes
    }

    static func < (left: Self, right: Self) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        if left.word3 != right.word3 { return left.word3 < right.word3 }
        if left.word4 != right.word4 { return left.word4 < right.word4 }
        return left.word5 < right.word5
    }
}
