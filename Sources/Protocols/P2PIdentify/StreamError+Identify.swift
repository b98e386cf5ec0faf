public import P2PCore

extension StreamError.Code {
    /// The peer claims another key than the one that the connection proved.
    public static let wrongKey = Self("wrongKey")
}
