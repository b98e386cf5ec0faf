extension Multiaddr: ExpressibleByStringLiteral {
    /// An address that a program knows by heart: `let everywhere: Multiaddr = "/ip4/0.0.0.0/tcp/4001"`.
    ///
    /// A literal that is not an address is a mistake in the program and ends it; what comes from elsewhere is parsed by ``init(_:)``.
    public init(stringLiteral text: String) {
        do throws(MultiaddrError) {
            self = try Self.init(text)
        } catch {
            preconditionFailure("the literal \"\(text)\" is not a multiaddr: \(error)")
        }
    }
}
