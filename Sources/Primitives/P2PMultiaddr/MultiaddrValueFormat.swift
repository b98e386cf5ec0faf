import P2PIdentity
import P2PMultiformats

/// How one value is written in text and in bytes: the two ways across, and what bytes are valid.
///
/// Whatever `validate` accepts, `text` can write and `parse` reads back to the same bytes.
enum MultiaddrValueFormat: Hashable, Sendable {
    case none
    case ip4
    case ip6
    case port
    case byte
    case name
    case path
    case peerID
    case onion
    case onion3
    case garlic64
    case garlic32
    case multihash
    case percentEncoded

    /// The longest name (domain, server name, zone, in-memory name), in bytes: a domain name has at most 255 on the wire (RFC 1035).
    static let maxNameLength = 255
    /// An I2P destination has at least 387 bytes; 386 without its certificate's last byte, as other implementations accept.
    static let minGarlic64Length = 386
    /// An I2P hash has 32 bytes; encrypted destinations have 35 and more.
    static let garlic32HashLength = 32
    static let minGarlic32EncryptedLength = 35

    /// The bytes of a value's text.
    func parse(_ text: ArraySlice<UInt8>) throws(InvalidValue) -> [UInt8] {
        switch self {
        case .none:
            throw InvalidValue("it has no value")
        case .ip4:
            guard let address = IPAddress.parseIPv4(text) else { throw InvalidValue("\(InvalidValue.quoted(text)) is not an IPv4 address") }
            return address.bytes
        case .ip6:
            guard let address = IPAddress.parseIPv6(text) else { throw InvalidValue("\(InvalidValue.quoted(text)) is not an IPv6 address") }
            return address.bytes
        case .port:
            return Self.bigEndian(try Self.port(text))
        case .byte:
            guard let number = Self.number(text, limit: 255) else {
                throw InvalidValue("\(InvalidValue.quoted(text)) is not a number from 0 to 255")
            }
            return [UInt8(truncatingIfNeeded: number)]
        case .name, .path:
            let bytes = Array(text)
            try self.validate(bytes)
            return bytes
        case .peerID:
            return try Self.peerIDBytes(text)
        case .onion:
            return try Self.onionBytes(text, hostLength: 10)
        case .onion3:
            return try Self.onionBytes(text, hostLength: 35)
        case .garlic64:
            let bytes = try Self.decode(Self.fromGarlicAlphabet(text), as: .base64pad)
            try self.validate(bytes)
            return bytes
        case .garlic32:
            let bytes = try Self.decode(Array(text), as: .base32)
            try self.validate(bytes)
            return bytes
        case .multihash:
            return try Self.multihashBytes(text)
        case .percentEncoded:
            return try PercentEncoding.decode(text)
        }
    }

    /// Throws unless `bytes` are a value of this format. The length of fixed sizes is checked before.
    func validate(_ bytes: [UInt8]) throws(InvalidValue) {
        switch self {
        case .none, .ip4, .ip6, .port, .byte:
            return
        case .name:
            guard bytes.count <= Self.maxNameLength else {
                throw InvalidValue("a name of \(bytes.count) bytes is beyond the limit of \(Self.maxNameLength)")
            }
            try Self.validateText(bytes)
            guard !bytes.contains(UInt8(ascii: "/")) else { throw InvalidValue("\(InvalidValue.quoted(bytes)) contains a slash") }
        case .path:
            try Self.validateText(bytes)
            guard bytes.first == UInt8(ascii: "/"), bytes.count > 1 else {
                throw InvalidValue("\(InvalidValue.quoted(bytes)) is not an absolute path")
            }
        case .peerID:
            do throws(PeerIDError) {
                _ = try PeerID(bytes: bytes)
            } catch {
                throw InvalidValue(error.description)
            }
        case .onion, .onion3:
            guard bytes.suffix(2).contains(where: { $0 != 0 }) else { throw InvalidValue("port 0 is not an onion port") }
        case .garlic64:
            guard bytes.count >= Self.minGarlic64Length else {
                throw InvalidValue("an I2P destination has at least \(Self.minGarlic64Length) bytes, this has \(bytes.count)")
            }
        case .garlic32:
            guard bytes.count == Self.garlic32HashLength || bytes.count >= Self.minGarlic32EncryptedLength else {
                throw InvalidValue("an I2P hash has 32 bytes, or 35 and more, this has \(bytes.count)")
            }
        case .multihash:
            do throws(MultiformatsError) {
                _ = try Multihash(bytes: bytes)
            } catch {
                throw InvalidValue(error.description)
            }
        case .percentEncoded:
            guard !bytes.isEmpty else { throw InvalidValue("the path is empty") }
        }
    }

    /// The text of valid bytes.
    func text(of bytes: [UInt8]) -> String {
        switch self {
        case .none: ""
        case .ip4, .ip6: IPAddress(bytes: bytes)?.description ?? ""
        case .port: String(Self.bigEndianNumber(bytes))
        case .byte: String(Self.bigEndianNumber(bytes))
        case .name, .path: String(decoding: bytes, as: UTF8.self)
        case .peerID: Base58BTC.encode(bytes)
        case .onion, .onion3: "\(Base32.encode(bytes.dropLast(2))):\(Self.bigEndianNumber(bytes.suffix(2)))"
        case .garlic64: Self.toGarlicAlphabet(Multibase.base64pad.encodeWithoutPrefix(bytes))
        case .garlic32: Base32.encode(bytes)
        case .multihash: Multibase.encode(bytes, as: .base64url)
        case .percentEncoded: PercentEncoding.encode(bytes)
        }
    }
}

extension MultiaddrValueFormat {
    /// The number that at most four big-endian bytes hold.
    static func bigEndianNumber(_ bytes: some Collection<UInt8>) -> UInt32 {
        bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    static func bigEndian(_ number: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
    }

    /// A decimal number without sign or leading zeros, at most `limit`.
    static func number(_ text: some Collection<UInt8>, limit: UInt32) -> UInt32? {
        guard (1...9).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
        var number: UInt32 = 0
        for character in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
            number = number * 10 + UInt32(character - UInt8(ascii: "0"))
        }
        return number <= limit ? number : nil
    }

    private static func port(_ text: ArraySlice<UInt8>) throws(InvalidValue) -> UInt16 {
        guard let number = Self.number(text, limit: 65_535), let port = UInt16(exactly: number) else {
            throw InvalidValue("\(InvalidValue.quoted(text)) is not a port from 0 to 65535")
        }
        return port
    }

    /// Text is UTF-8 without control characters, so that it neither ends early in C nor forges a line in a log.
    private static func validateText(_ bytes: [UInt8]) throws(InvalidValue) {
        guard !bytes.isEmpty else { throw InvalidValue("the value is empty") }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw InvalidValue("\(InvalidValue.quoted(bytes)) contains a control character")
        }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw InvalidValue("\(InvalidValue.quoted(bytes)) is not UTF-8")
        }
    }

    private static func decode(_ text: [UInt8], as base: Multibase) throws(InvalidValue) -> [UInt8] {
        do throws(MultiformatsError) {
            return try base.decodeWithoutPrefix(text)
        } catch {
            throw InvalidValue(error.description)
        }
    }

    private static func peerIDBytes(_ text: ArraySlice<UInt8>) throws(InvalidValue) -> [UInt8] {
        do throws(PeerIDError) {
            return try PeerID(string: String(decoding: text, as: UTF8.self)).bytes
        } catch {
            throw InvalidValue(error.description)
        }
    }

    private static func multihashBytes(_ text: ArraySlice<UInt8>) throws(InvalidValue) -> [UInt8] {
        do throws(MultiformatsError) {
            return try Multihash(bytes: try Multibase.decode(String(decoding: text, as: UTF8.self))).bytes
        } catch {
            throw InvalidValue(error.description)
        }
    }

    private static func onionBytes(_ text: ArraySlice<UInt8>, hostLength: Int) throws(InvalidValue) -> [UInt8] {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else {
            throw InvalidValue("\(InvalidValue.quoted(text)) is not an onion address with a port")
        }
        let host = try Self.decode(Array(text[..<colon]), as: .base32)
        guard host.count == hostLength else {
            throw InvalidValue("the onion address has \(host.count) bytes instead of \(hostLength)")
        }
        let port = try Self.port(text[colon...].dropFirst())
        guard port != 0 else { throw InvalidValue("port 0 is not an onion port") }
        return host + Self.bigEndian(port)
    }

    /// I2P writes `-` and `~` where base64 has `+` and `/`.
    private static func fromGarlicAlphabet(_ text: ArraySlice<UInt8>) throws(InvalidValue) -> [UInt8] {
        var standard: [UInt8] = []
        standard.reserveCapacity(text.count)
        for character in text {
            switch character {
            case UInt8(ascii: "-"): standard.append(UInt8(ascii: "+"))
            case UInt8(ascii: "~"): standard.append(UInt8(ascii: "/"))
            case UInt8(ascii: "+"), UInt8(ascii: "/"): throw InvalidValue("+ and / are not in I2P's alphabet")
            default: standard.append(character)
            }
        }
        return standard
    }

    private static func toGarlicAlphabet(_ text: String) -> String {
        let characters = text.utf8.map { character in
            switch character {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "~")
            default: character
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }
}
