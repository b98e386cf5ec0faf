public import P2PCore

extension StreamError.Code {
    /// The peer claims another key than the one that the connection proved.
    public static let wrongKey = Self("wrongKey")
    /// The peer asks too often.
    public static let rateLimited = Self("rateLimited")
}
