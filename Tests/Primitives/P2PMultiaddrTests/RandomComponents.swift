import P2PIdentity
import P2PMultiaddr
import P2PMultiformats

/// Components and addresses drawn from a seeded generator, so that a failure can be repeated.
struct RandomComponents: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ lengths: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: lengths, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
    }

    mutating func name(_ characters: String, _ lengths: ClosedRange<Int>) -> [UInt8] {
        let characters = Array(characters)
        return (0..<Int.random(in: lengths, using: &self)).flatMap { _ in Array(String(characters.randomElement(using: &self) ?? "a").utf8)
        }
    }

    mutating func value(of proto: MultiaddrProtocol) throws -> [UInt8] {
        switch proto {
        case .ip6: return Bool.random(using: &self) ? self.bytes(16...16) : (0..<16).map { _ in UInt8.random(in: 0...1, using: &self) }
        case .onion: return self.bytes(10...10) + [1, UInt8.random(in: 0...255, using: &self)]
        case .onion3: return self.bytes(35...35) + [UInt8.random(in: 0...255, using: &self), 1]
        case .p2p:
            let code: Multicodec = Bool.random(using: &self) ? .identity : .sha2_256
            return try Multihash(code: code, digest: self.bytes(code == .identity ? 1...42 : 32...32)).bytes
        case .certhash: return try Multihash(code: .sha2_256, digest: self.bytes(32...32)).bytes
        case .garlic64: return self.bytes(386...600)
        case .garlic32: return Bool.random(using: &self) ? self.bytes(32...32) : self.bytes(35...60)
        case .httpPath: return self.bytes(1...80)
        case .unix: return [UInt8(ascii: "/")] + self.name("ab./-é 🚀", 1...40)
        default:
            switch proto.size {
            case .none: return []
            case .fixed(let bits): return self.bytes((bits / 8)...(bits / 8))
            case .variable: return self.name("abcXYZ019.-_%~é🚀 ", 1...60)
            }
        }
    }

    mutating func components() throws -> [MultiaddrComponent] {
        var components: [MultiaddrComponent] = []
        for _ in 0..<Int.random(in: 1...7, using: &self) {
            let proto = MultiaddrProtocol.all.randomElement(using: &self) ?? .tcp
            components.append(try MultiaddrComponent(proto, value: self.value(of: proto)))
            if proto.isPath { break }
        }
        return components
    }
}
