/// The text encodings of bytes that announce themselves by their first character (multibase spec, "Multibase Table").
public enum Multibase: Hashable, Sendable, CaseIterable {
    /// Binary digits.
    case base2
    /// Octal digits.
    case base8
    /// Decimal digits.
    case base10
    /// Hexadecimal, lower case.
    case base16
    /// Hexadecimal, upper case.
    case base16upper
    /// RFC 4648 base32, lower case, without padding.
    case base32
    /// RFC 4648 base32, upper case, without padding.
    case base32upper
    /// RFC 4648 base32, lower case, padded.
    case base32pad
    /// RFC 4648 base32, upper case, padded.
    case base32padupper
    /// RFC 4648 base32 with the extended hex alphabet, lower case, without padding.
    case base32hex
    /// RFC 4648 base32 with the extended hex alphabet, upper case, without padding.
    case base32hexupper
    /// RFC 4648 base32 with the extended hex alphabet, lower case, padded.
    case base32hexpad
    /// RFC 4648 base32 with the extended hex alphabet, upper case, padded.
    case base32hexpadupper
    /// z-base-32.
    case base32z
    /// Base36, lower case.
    case base36
    /// Base36, upper case.
    case base36upper
    /// Base58 with Bitcoin's alphabet.
    case base58btc
    /// Base58 with Flickr's alphabet.
    case base58flickr
    /// RFC 4648 base64 without padding.
    case base64
    /// RFC 4648 base64, padded.
    case base64pad
    /// RFC 4648 base64 with the URL-safe alphabet, without padding.
    case base64url
    /// RFC 4648 base64 with the URL-safe alphabet, padded.
    case base64urlpad

    /// The longest text that a base with quadratic cost (10, 36, 58) decodes, in characters after the prefix.
    public static let maxQuadraticTextLength = RadixBase.maxTextLength

    /// The character that announces this base.
    public var prefix: Character { Character(Unicode.Scalar(self.prefixByte)) }

    /// The base that `prefix` announces, if this project speaks it.
    public init?(prefix: Character) {
        guard let byte = prefix.asciiValue, let base = Self.bases[byte] else { return nil }
        self = base
    }

    /// The text of `bytes`, with its prefix.
    ///
    /// In base10, base36 and base58 the time grows with the square of the number of bytes: for keys, hashes and ids only.
    public static func encode(_ bytes: some Collection<UInt8>, as base: Multibase) -> String {
        String(base.prefix) + base.encodeWithoutPrefix(bytes)
    }

    /// The bytes of a text with a prefix.
    ///
    /// Bases of one letter case read the other case as well (multibase, "case insensitivity").
    /// - Throws: `.truncated` (no prefix), `.unsupported` (unknown prefix), `.invalidCharacter`, `.invalidLength`, `.notCanonical`
    ///   (padding, or bits beyond the last byte) or `.tooLong` (more than `maxQuadraticTextLength` in a base with quadratic cost).
    public static func decode(_ text: some StringProtocol) throws(MultiformatsError) -> [UInt8] {
        try self.decodeNamingBase(text).bytes
    }

    /// The bytes of a text with a prefix, and the base that the prefix named; throws as `decode(_:)` does.
    public static func decodeNamingBase(_ text: some StringProtocol) throws(MultiformatsError) -> (base: Multibase, bytes: [UInt8]) {
        guard let prefix = text.utf8.first else {
            throw MultiformatsError(.truncated, "a multibase text has at least its prefix")
        }
        guard let base = Self.bases[prefix] else {
            throw MultiformatsError(.unsupported, "no base is announced by byte \(prefix)")
        }
        return (base, try base.decodeWithoutPrefix(text.utf8.dropFirst()))
    }

    /// The text of `bytes` in this base, without the prefix.
    public func encodeWithoutPrefix(_ bytes: some Collection<UInt8>) -> String {
        // An array, for a collection of any kind is asked for its elements one by one at run time.
        let bytes = Array(bytes)
        return switch self.codec {
        case .bits(let base): base.encode(bytes)
        case .radix(let base): base.encode(bytes)
        }
    }

    /// The bytes of a text in this base that has no prefix; errors as `decode(_:)`.
    public func decodeWithoutPrefix(_ text: some StringProtocol) throws(MultiformatsError) -> [UInt8] {
        try self.decodeWithoutPrefix(text.utf8)
    }

    /// The bytes of an ASCII text in this base that has no prefix; errors as `decode(_:)`.
    public func decodeWithoutPrefix(_ text: some Collection<UInt8>) throws(MultiformatsError) -> [UInt8] {
        let characters = Array(text)
        return switch self.codec {
        case .bits(let base): try base.decode(characters)
        case .radix(let base): try base.decode(characters)
        }
    }

    private static let bases: [UInt8: Multibase] = Dictionary(uniqueKeysWithValues: Self.allCases.map { ($0.prefixByte, $0) })
}
