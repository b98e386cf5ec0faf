/// A content identifier of version 1: what the content is, and its multihash (CID spec, "CIDv1").
///
/// As far as peer ids need it: version 0 and links are left to others.
public struct CID: Hashable, Sendable, CustomStringConvertible {
    /// What the content is.
    public let codec: Multicodec
    /// The content's hash.
    public let multihash: Multihash

    /// Joins a codec and a hash.
    ///
    /// - Throws: `.unsupported` for a codec that no varint carries.
    public init(codec: Multicodec, multihash: Multihash) throws(MultiformatsError) {
        guard codec.rawValue <= UnsignedVarint.maxValue else {
            throw MultiformatsError(.unsupported, "no varint carries the codec \(codec)")
        }
        self.codec = codec
        self.multihash = multihash
    }

    /// Reads a CID that takes up all of `bytes`.
    ///
    /// - Throws: `.unsupported` for another version, else what a varint or a multihash throws.
    public init(bytes: some Collection<UInt8>) throws(MultiformatsError) {
        let (version, versionLength) = try UnsignedVarint.decode(bytes)
        guard version == Multicodec.cidv1.rawValue else {
            throw MultiformatsError(.unsupported, "CID version \(version) is not 1")
        }
        let afterVersion = bytes.dropFirst(versionLength)
        let (codec, codecLength) = try UnsignedVarint.decode(afterVersion)
        self.codec = Multicodec(rawValue: codec)
        self.multihash = try Multihash(bytes: afterVersion.dropFirst(codecLength))
    }

    /// Reads the text of a CID, in any multibase.
    ///
    /// - Throws: what `Multibase.decode(_:)` and `init(bytes:)` throw.
    public init(_ text: some StringProtocol) throws(MultiformatsError) {
        try self.init(bytes: try Multibase.decode(text))
    }

    /// The binary form.
    public var bytes: [UInt8] {
        var bytes = UnsignedVarint.encode(Multicodec.cidv1.rawValue)
        UnsignedVarint.append(self.codec.rawValue, to: &bytes)
        return bytes + self.multihash.bytes
    }

    /// The text in `base`.
    public func text(as base: Multibase) -> String { Multibase.encode(self.bytes, as: base) }

    /// The text in base32, which is the default of CIDv1.
    public var description: String { self.text(as: .base32) }
}
