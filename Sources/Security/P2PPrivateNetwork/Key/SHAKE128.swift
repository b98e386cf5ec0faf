/// SHAKE128 (FIPS 202), which neither swift-crypto nor libsodium offers; for fingerprints, not for speed.
enum SHAKE128 {
    /// Bytes that one permutation absorbs or gives out.
    private static let rate = 168

    private static let roundConstants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A, 0x8000_0000_8000_8000, 0x0000_0000_0000_808B,
        0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009, 0x0000_0000_0000_008A, 0x0000_0000_0000_0088,
        0x0000_0000_8000_8009, 0x0000_0000_8000_000A, 0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089,
        0x8000_0000_0000_8003, 0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800A, 0x8000_0000_8000_000A,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]

    /// How far each lane turns, by its index x + 5y.
    private static let rotations: [UInt64] = [
        0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
    ]

    /// The first bytes of the output, as many as one block gives at most.
    static func hash(_ input: [UInt8], count: Int) -> [UInt8] {
        precondition(count <= Self.rate, "one block gives \(Self.rate) bytes")
        var padded = input + [0x1f]
        padded += [UInt8](repeating: 0, count: (Self.rate - padded.count % Self.rate) % Self.rate)
        padded[padded.count - 1] |= 0x80
        var state = [UInt64](repeating: 0, count: 25)
        for block in stride(from: 0, to: padded.count, by: Self.rate) {
            for at in 0..<Self.rate { state[at / 8] ^= UInt64(padded[block + at]) << UInt64(at % 8 * 8) }
            Self.permute(&state)
        }
        return (0..<count).map { UInt8(truncatingIfNeeded: state[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    /// Keccak-f[1600]: the steps theta, rho with pi, chi and iota, 24 times.
    private static func permute(_ lanes: inout [UInt64]) {
        var columns = [UInt64](repeating: 0, count: 5)
        var turned = [UInt64](repeating: 0, count: 25)
        for constant in Self.roundConstants {
            for x in 0..<5 { columns[x] = stride(from: x, to: 25, by: 5).reduce(0) { sum, at in sum ^ lanes[at] } }
            for at in 0..<25 { lanes[at] ^= columns[(at + 4) % 5] ^ Self.turn(columns[(at + 1) % 5], by: 1) }
            for x in 0..<5 {
                for y in 0..<5 { turned[y + 5 * ((2 * x + 3 * y) % 5)] = Self.turn(lanes[x + 5 * y], by: Self.rotations[x + 5 * y]) }
            }
            for x in 0..<5 {
                for row in stride(from: 0, to: 25, by: 5) {
                    lanes[x + row] = turned[x + row] ^ (~turned[(x + 1) % 5 + row] & turned[(x + 2) % 5 + row])
                }
            }
            lanes[0] ^= constant
        }
    }

    private static func turn(_ lane: UInt64, by count: UInt64) -> UInt64 {
        count == 0 ? lane : lane << count | lane >> (64 - count)
    }
}
