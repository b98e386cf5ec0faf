extension Multibase {
    /// How a base turns bytes into characters.
    enum Codec: Sendable {
        case bits(BitPackedBase)
        case radix(RadixBase)
    }

    /// The prefix in ASCII.
    var prefixByte: UInt8 {
        switch self {
        case .base2: UInt8(ascii: "0")
        case .base8: UInt8(ascii: "7")
        case .base10: UInt8(ascii: "9")
        case .base16: UInt8(ascii: "f")
        case .base16upper: UInt8(ascii: "F")
        case .base32: UInt8(ascii: "b")
        case .base32upper: UInt8(ascii: "B")
        case .base32pad: UInt8(ascii: "c")
        case .base32padupper: UInt8(ascii: "C")
        case .base32hex: UInt8(ascii: "v")
        case .base32hexupper: UInt8(ascii: "V")
        case .base32hexpad: UInt8(ascii: "t")
        case .base32hexpadupper: UInt8(ascii: "T")
        case .base32z: UInt8(ascii: "h")
        case .base36: UInt8(ascii: "k")
        case .base36upper: UInt8(ascii: "K")
        case .base58btc: UInt8(ascii: "z")
        case .base58flickr: UInt8(ascii: "Z")
        case .base64: UInt8(ascii: "m")
        case .base64pad: UInt8(ascii: "M")
        case .base64url: UInt8(ascii: "u")
        case .base64urlpad: UInt8(ascii: "U")
        }
    }

    /// The name in the multibase table.
    public var name: String { "\(self)" }

    var codec: Codec {
        switch self {
        case .base2: .bits(Self.binary)
        case .base8: .bits(Self.octal)
        case .base10: .radix(Self.decimal)
        case .base16: .bits(Self.hex)
        case .base16upper: .bits(Self.hexUpper)
        case .base32: .bits(Self.rfc32)
        case .base32upper: .bits(Self.rfc32Upper)
        case .base32pad: .bits(Self.rfc32Padded)
        case .base32padupper: .bits(Self.rfc32PaddedUpper)
        case .base32hex: .bits(Self.hex32)
        case .base32hexupper: .bits(Self.hex32Upper)
        case .base32hexpad: .bits(Self.hex32Padded)
        case .base32hexpadupper: .bits(Self.hex32PaddedUpper)
        case .base32z: .bits(Self.z32)
        case .base36: .radix(Self.radix36)
        case .base36upper: .radix(Self.radix36Upper)
        case .base58btc: .radix(Self.bitcoin58)
        case .base58flickr: .radix(Self.flickr58)
        case .base64: .bits(Self.rfc64)
        case .base64pad: .bits(Self.rfc64Padded)
        case .base64url: .bits(Self.url64)
        case .base64urlpad: .bits(Self.url64Padded)
        }
    }

    private static let binary = BitPackedBase("01", bits: 1)
    private static let octal = BitPackedBase("01234567", bits: 3)
    private static let decimal = RadixBase("0123456789")
    private static let hex = BitPackedBase("0123456789abcdef", bits: 4, ignoringCase: true)
    private static let hexUpper = BitPackedBase("0123456789ABCDEF", bits: 4, ignoringCase: true)
    private static let rfc32 = BitPackedBase("abcdefghijklmnopqrstuvwxyz234567", bits: 5, ignoringCase: true)
    private static let rfc32Upper = BitPackedBase("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", bits: 5, ignoringCase: true)
    private static let rfc32Padded = BitPackedBase("abcdefghijklmnopqrstuvwxyz234567", bits: 5, ignoringCase: true, padded: true)
    private static let rfc32PaddedUpper = BitPackedBase("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", bits: 5, ignoringCase: true, padded: true)
    private static let hex32 = BitPackedBase("0123456789abcdefghijklmnopqrstuv", bits: 5, ignoringCase: true)
    private static let hex32Upper = BitPackedBase("0123456789ABCDEFGHIJKLMNOPQRSTUV", bits: 5, ignoringCase: true)
    private static let hex32Padded = BitPackedBase("0123456789abcdefghijklmnopqrstuv", bits: 5, ignoringCase: true, padded: true)
    private static let hex32PaddedUpper = BitPackedBase("0123456789ABCDEFGHIJKLMNOPQRSTUV", bits: 5, ignoringCase: true, padded: true)
    private static let z32 = BitPackedBase("ybndrfg8ejkmcpqxot1uwisza345h769", bits: 5)
    private static let radix36 = RadixBase("0123456789abcdefghijklmnopqrstuvwxyz", ignoringCase: true)
    private static let radix36Upper = RadixBase("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", ignoringCase: true)
    private static let bitcoin58 = RadixBase("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    private static let flickr58 = RadixBase("123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ")
    private static let rfc64 = BitPackedBase("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", bits: 6)
    private static let rfc64Padded = BitPackedBase(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", bits: 6, padded: true)
    private static let url64 = BitPackedBase("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", bits: 6)
    private static let url64Padded = BitPackedBase(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", bits: 6, padded: true)
}
