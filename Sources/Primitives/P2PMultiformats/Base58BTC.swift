/// Base58 with Bitcoin's alphabet and no prefix, as peer ids are written.
public enum Base58BTC {
    /// The longest text that is decoded, in characters: the work is quadratic.
    public static let maxTextLength = RadixBase.maxTextLength

    /// The text of `bytes`; the time grows with the square of their number.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        Multibase.base58btc.encodeWithoutPrefix(bytes)
    }

    /// The bytes of `text`.
    ///
    /// - Throws: `.tooLong` before any other work, or `.invalidCharacter`.
    public static func decode(_ text: some StringProtocol) throws(MultiformatsError) -> [UInt8] {
        try Multibase.base58btc.decodeWithoutPrefix(text)
    }
}
