/// RFC 4648 base32, lower case, without padding or prefix, as onion and garlic addresses are written.
public enum Base32 {
    /// The text of `bytes`.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        Multibase.base32.encodeWithoutPrefix(bytes)
    }

    /// The bytes of `text`, in either letter case.
    ///
    /// - Throws: `.invalidCharacter`, `.invalidLength`, or `.notCanonical` when bits beyond the last byte are set.
    public static func decode(_ text: some StringProtocol) throws(MultiformatsError) -> [UInt8] {
        try Multibase.base32.decodeWithoutPrefix(text)
    }
}
