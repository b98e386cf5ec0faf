/// A digest that names its hash function and its length (multihash spec): `code ‖ length ‖ digest`.
///
/// Nothing is hashed here: the digest is given in, or read from bytes.
public struct Multihash: Hashable, Sendable, CustomStringConvertible {
    /// The longest digest that is accepted, in bytes. The longest hash in use has 64; identity hashes carry small keys.
    public static let maxDigestLength = 128
    /// The longest binary form: two varints and the digest, in bytes.
    public static let maxLength = 2 * UnsignedVarint.maxLength + Self.maxDigestLength

    /// The hash function.
    public let code: Multicodec
    /// What it gave; shorter than the function's output when truncated.
    public let digest: [UInt8]

    /// Joins a digest to the name of its function.
    ///
    /// - Throws: `.tooLong` beyond `maxDigestLength` or beyond the function's output; `.invalidLength` for an empty digest of a
    ///   function that has an output; `.unsupported` for a code that no varint carries.
    public init(code: Multicodec, digest: [UInt8]) throws(MultiformatsError) {
        guard code.rawValue <= UnsignedVarint.maxValue else {
            throw MultiformatsError(.unsupported, "no varint carries the hash function \(code)")
        }
        guard digest.count <= Self.maxDigestLength else {
            throw MultiformatsError(.tooLong, "a digest of \(digest.count) bytes is beyond the limit of \(Self.maxDigestLength)")
        }
        if let output = Self.outputLength(of: code) {
            guard !digest.isEmpty else {
                throw MultiformatsError(.invalidLength, "a \(code) digest is not empty")
            }
            guard digest.count <= output else {
                throw MultiformatsError(.tooLong, "a \(code) digest has at most \(output) bytes, this has \(digest.count)")
            }
        }
        self.code = code
        self.digest = digest
    }

    /// Reads a multihash that takes up all of `bytes`.
    ///
    /// - Throws: as `init(code:digest:)`, and `.truncated`, `.trailingBytes`, or what a varint throws.
    public init(bytes: some Collection<UInt8>) throws(MultiformatsError) {
        // Compiled once, for an array: whoever calls from another module would have it look for its types at run time.
        try self.init(all: Array(bytes))
    }

    private init(all bytes: [UInt8]) throws(MultiformatsError) {
        let (code, codeLength) = try UnsignedVarint.decode(bytes)
        let afterCode = bytes.dropFirst(codeLength)
        let (length, lengthLength) = try UnsignedVarint.decode(afterCode)
        let digest = afterCode.dropFirst(lengthLength)
        guard length <= UInt64(Self.maxDigestLength) else {
            throw MultiformatsError(.tooLong, "a digest of \(length) bytes is beyond the limit of \(Self.maxDigestLength)")
        }
        guard length <= UInt64(digest.count) else {
            throw MultiformatsError(.truncated, "the digest should have \(length) bytes, \(digest.count) are left")
        }
        guard length == UInt64(digest.count) else {
            throw MultiformatsError(.trailingBytes, "the digest should have \(length) bytes, \(digest.count) are left")
        }
        try self.init(code: Multicodec(rawValue: code), digest: Array(digest))
    }

    /// The binary form.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.digest.count + 4)
        UnsignedVarint.append(self.code.rawValue, to: &bytes)
        UnsignedVarint.append(UInt64(self.digest.count), to: &bytes)
        bytes.append(contentsOf: self.digest)
        return bytes
    }

    /// The function's name and the digest in hexadecimal.
    public var description: String { "\(self.code):\(Base16.encode(self.digest))" }

    /// The full output of a hash function in bytes, where it is known here and fixed.
    public static func outputLength(of code: Multicodec) -> Int? {
        switch code {
        case .sha1: 20
        case .sha3_224: 28
        case .sha2_256, .sha3_256: 32
        case .sha3_384: 48
        case .sha2_512, .sha3_512: 64
        default: nil
        }
    }
}
