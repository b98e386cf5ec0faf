import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PMultiformats

@testable import P2PKademlia

/// Names and keys of the tests.
enum Fixture {
    /// The key of the seed of 32 bytes of this value.
    static func key(_ seed: UInt8) throws -> PrivateKey { try PrivateKey(ed25519Seed: [UInt8](repeating: seed, count: 32)) }

    static func peer(_ seed: UInt8) throws -> PeerID { PeerID(try self.key(seed).publicKey) }

    /// A peer of a number, by a digest.
    static func peer(number: Int) throws -> PeerID {
        try PeerID(bytes: [0x12, 0x20] + (0..<32).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 4))) ^ UInt8($0) })
    }

    static func hex(_ text: String) throws -> [UInt8] { try Base16.decode(text.filter { !$0.isWhitespace }) }

    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// Version 2 alone, sequence 1, of the key of ones, until 2126; go has taken it.
    static let ipnsV2 = """
        424037ad605d82ac589dda0a8111fb828ac6b9bdea681db0fe00e9f61bf387440ddeae1d15b775d5378e48e60e6261fc23b173195e126b1226da8c1781b3542ca705
        4a64a56354544c1b00000045d964b8006556616c75654e2f697066732f6261666b716161616853657175656e6365016856616c6964697479581e323132362d30312d
        30315430303a30303a30302e3030303030303030305a6c56616c69646974795479706500
        """
    /// Versions 1 and 2, sequence 2.
    static let ipnsV1V2 = """
        0a0e2f697066732f6261666b7161616112404a18b701df2c9097cb5fe9c19c6c21f482fbd2bef149db4862208f7ce7afa2a7d0028e5380bd85c9b847c338903dc5ac
        88f0ce99637e7d237537fc3fe3a34d0a1800221e323132362d30312d30315430303a30303a30302e3030303030303030305a28023080f092cbdd0842402ed293ee8d
        1e514b8fbca0c92f534cc7d2824b9c76caff393edef71ed187e212ed2e5e2fc76f19ace47cccdf9a7389a11a18a56e3a57cae4614dbd8e18c737064a64a56354544c
        1b00000045d964b8006556616c75654e2f697066732f6261666b716161616853657175656e6365026856616c6964697479581e323132362d30312d30315430303a30
        303a30302e3030303030303030305a6c56616c69646974795479706500
        """
    /// 29 November 2026.
    static let now: Int64 = 1_795_910_400
}

/// What a change of a value returns, for `#expect`, which changes none.
func doing<Value, Result>(_ value: inout Value, _ change: (inout Value) throws -> Result) rethrows -> Result { try change(&value) }
