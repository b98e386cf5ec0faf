/// Hexadecimal without a prefix: written in lower case, read in either.
public enum Base16 {
    /// The text of `bytes`.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        Multibase.base16.encodeWithoutPrefix(bytes)
    }

    /// The bytes of `text`.
    ///
    /// - Throws: `.invalidCharacter`, or `.invalidLength` for an odd number of digits.
    public static func decode(_ text: some StringProtocol) throws(MultiformatsError) -> [UInt8] {
        try Multibase.base16.decodeWithoutPrefix(text)
    }
}
